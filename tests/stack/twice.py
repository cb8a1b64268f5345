"""`python -m tests.stack.twice SERVICE`, which is `make test-image`: an image built twice from nothing has the same layers.

Of the configuration, dates and the names of what it was built in are left out, and so is the id that follows from them.
"""

import hashlib
import json
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.stack.base_image import base_image
from tests.stack.command import CommandFailed, succeeds
from tests.stack.engine import CACHE, running_engine
from tests.stack.stack import Stack, make_stack
from tests.stack.summary import Summary

_TAG = "twice"
_SHOWN = 40
_OF_THE_BUILD = frozenset({"created", "container", "container_config", "history"})
Members = Mapping[str, tuple[object, ...]]


@dataclass(frozen=True)
class Image:
    """A saved image, unpacked: its configuration and the files of its layers, the base's first."""

    config: Mapping[str, Any]
    layers: Sequence[Path]


def main(service: str) -> int:
    """Build twice, compare, remove both; says what differs."""
    summary = Summary()
    try:
        with running_engine(CACHE) as engine, tempfile.TemporaryDirectory(prefix="uptill-twice-") as folder:
            stack = make_stack(engine, base_image(engine), Path(folder, "secrets"))
            stack = replace(stack, env={**stack.env, "IMAGE_TAG": _TAG})
            with _removed(stack):
                one, other = (
                    _build(stack, summary, service, Path(folder, name)) for name in ("one", "other")
                )
                with summary.step("compare") as found:
                    differences = [*_configurations(one, other), *_layers(one, other)]
                    found += [f"{_digest(layer)[:12]} {layer.stat().st_size:,} bytes" for layer in one.layers]
    except CommandFailed as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    print("\n".join(differences[:_SHOWN]))
    print(f"{service}: {len(differences)} differences\n{summary}")
    return 1 if differences else 0


def _build(stack: Stack, summary: Summary, service: str, folder: Path) -> Image:
    with summary.step(f"build {service} without the cache"):
        stack.run_compose("build", "--no-cache", service)
    stack.docker("save", "--output", f"{folder}.tar", f"uptill-{service}:{_TAG}")
    with tarfile.open(f"{folder}.tar") as saved:
        saved.extractall(folder, filter="data")
    ((manifest),) = json.loads((folder / "manifest.json").read_text())
    config = json.loads((folder / manifest["Config"]).read_text())
    return Image(config, [folder / layer for layer in manifest["Layers"]])


def _configurations(one: Image, other: Image) -> Iterator[str]:
    for name in sorted((one.config.keys() | other.config.keys()) - _OF_THE_BUILD):
        mine, others = (_without_parent(image.config.get(name)) for image in (one, other))
        if mine != others:
            yield f"configuration: {name}: {mine} {others}"


def _without_parent(value: object) -> object:
    """The classic builder puts the id of the step before into what a container is to run with."""
    return {name: of for name, of in value.items() if name != "Image"} if isinstance(value, dict) else value


def _layers(one: Image, other: Image) -> Iterator[str]:
    for number, (mine, others) in enumerate(zip(one.layers, other.layers, strict=True)):
        if _digest(mine) == _digest(others):
            continue
        yield f"layer {number}: {_digest(mine)} {_digest(others)}"
        before, after = _members(mine), _members(others)
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                yield f"layer {number}: {name}: {before.get(name)} {after.get(name)}"


def _members(layer: Path) -> Members:
    """Of each entry its kind, rights, owner, time, target and content."""
    found = {}
    with tarfile.open(layer) as packed:
        for item in packed:
            content = packed.extractfile(item) if item.isreg() else None
            digest = hashlib.sha256(content.read()).hexdigest() if content else item.linkname
            found[item.name] = (item.type, item.mode, item.uid, item.gid, item.mtime, digest)
    return found


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def _removed(stack: Stack) -> Iterator[None]:
    """Remove the images that are made within, those of the stages too."""
    before = _images(stack)
    try:
        yield
    finally:
        while made := _images(stack) - before:  # one that others are built on can go only after these
            gone = [succeeds("docker", "image", "rm", "--force", image, env=stack.env) for image in made]
            if not any(gone):
                raise CommandFailed(f"images are left behind: {made}")


def _images(stack: Stack) -> set[str]:
    return set(stack.docker("image", "ls", "--all", "--quiet", "--no-trunc").split())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
