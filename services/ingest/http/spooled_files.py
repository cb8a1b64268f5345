"""The files of one upload in the spool: their list, written when they are received, and what the list promises of them."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from shared.errors import UploadLost
from shared.texts import quoted

LIST = ".json"
_NUMBER_DIGITS = 4
_NAME_BYTES = 200  # of a file name, number and all
_BLOCK_BYTES = 1 << 20
Version = tuple[int, int, int]  # inode, size and time of the last change


@dataclass(frozen=True)
class SpooledFile:
    """One uploaded file, and the name its sender gave it."""

    path: Path
    name: str
    sha256: str | None = None  # as received; None for a file that an older release received

    @property
    def version(self) -> Version:
        """Return what differs once the file was written to. Raises OSError."""
        found = self.path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns


def file_name(number: int, name: str) -> str:
    """Return the name in the spool of the upload's file `number`, called `name` by its sender."""
    quoted = quote(name, safe="")[: _NAME_BYTES - _NUMBER_DIGITS - 1]
    return f"{number:0{_NUMBER_DIGITS}}-{quoted}"


def list_files(folder: Path, names: Sequence[str], digests: Sequence[bytes]) -> None:
    """Write down which files an upload consists of: names, which may be longer than those on disk, sizes, and SHA-256."""
    entries = []
    for number, (name, digest) in enumerate(zip(names, digests, strict=True)):
        file = file_name(number, name)
        size_bytes = (folder / file).stat().st_size
        entries.append({"file": file, "name": name, "size_bytes": size_bytes, "sha256": digest.hex()})
    with (folder / LIST).open("x", encoding="utf-8") as listed:
        json.dump(entries, listed)
        listed.flush()
        os.fsync(listed.fileno())


def listed_files(folder: Path, list_path: Path) -> list[SpooledFile]:
    """Return the files in their order. Raises `UploadLost` for one that is gone or has another size, and OSError."""
    try:
        listed = json.loads(list_path.read_bytes())
    except FileNotFoundError:  # of a release that made no list
        paths = sorted(folder.iterdir())
        if not paths:
            raise UploadLost("the spool holds no file of the upload") from None
        return [SpooledFile(path, unquote(path.name[_NUMBER_DIGITS + 1 :])) for path in paths]
    return [_found(folder / entry["file"], entry) for entry in listed]


def verify(file: SpooledFile, before_each_block: Callable[[], None]) -> None:
    """Read the file once. Raises `UploadLost` if its bytes are not those that were received, and OSError."""
    if file.sha256 is None:
        return
    digest = hashlib.sha256()
    with file.path.open("rb", buffering=0) as opened:
        while block := opened.read(_BLOCK_BYTES):
            before_each_block()
            digest.update(block)
    if digest.hexdigest() != file.sha256:
        raise UploadLost(
            f"{quoted(file.name)} has changed in the spool: its SHA-256 is {digest.hexdigest()}, not {file.sha256}"
        )


def _found(path: Path, entry: dict[str, Any]) -> SpooledFile:
    size_bytes = path.stat().st_size if path.is_file() and not path.is_symlink() else None
    if size_bytes != entry["size_bytes"]:
        what = "is gone" if size_bytes is None else f"has {size_bytes:,} bytes, not {entry['size_bytes']:,}"
        raise UploadLost(f"{quoted(entry['name'])} {what} in the spool")
    return SpooledFile(path, entry["name"], entry.get("sha256"))
