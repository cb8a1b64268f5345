"""Finds what the arguments of `uptill ingest` name: files, folders, patterns, objects, standard input."""

import glob
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from services.ingest.sources.files import FileSource, StandardInput
from services.ingest.sources.left_out import LeftOut
from services.ingest.sources.object_store import find_object, list_objects
from services.ingest.sources.objects import SCHEME
from services.ingest.sources.resolve import Stored, StoredObject
from shared.errors import BadInputFile, ConfigurationError
from shared.settings import Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
SUFFIXES = (".csv", ".csv.gz", ".zip")  # of the files that are taken from folders and prefixes

_SUBFOLDER = "it is a folder; name it to load what it holds"
_HIDDEN = "it is hidden"
_OTHER_NAME = f"its name does not end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"


def find_stored(path: str, settings: Settings | None = None) -> Sequence[Stored]:
    """Return what an argument names, as it is stored.

    A folder or a prefix stands for the files in it with one of `SUFFIXES`. Object stores need the settings. Raise
    `BadInputFile` (`io`) if the argument names nothing, and `StorageUnavailable`.
    """
    if path == "-":
        return [StandardInput()]
    if is_collection(path):
        found = list_collection(path, settings)
        if not found:
            raise BadInputFile("io", f"{path} holds no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file")
        return found
    if path.startswith(SCHEME):
        return [find_object(_connect_store(path, settings), path)]
    if glob.has_magic(path) and not Path(path).exists():
        entries = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
        if not entries:
            raise BadInputFile("io", f"no file matches {path}")
        return [source for entry in entries for source in find_stored(entry)]
    if scheme := _SCHEME.match(path):
        raise BadInputFile(
            "io", f"{path}: {scheme[0]} addresses cannot be loaded, only files and s3://; download it first"
        )
    return [FileSource(Path(path))]


def is_collection(path: str) -> bool:
    """Return whether the argument names a folder, or a bucket or prefix of an object store."""
    if path.startswith(SCHEME):
        return path.endswith("/") or "/" not in path.removeprefix(SCHEME)
    return Path(path).is_dir()


def list_collection(path: str, settings: Settings | None = None) -> Sequence[StoredObject]:
    """Return what a folder, bucket or prefix holds now, by name. Raise `BadInputFile` (`io`) and `StorageUnavailable`."""
    if path.startswith(SCHEME):
        found = list_objects(_connect_store(path, settings), path)
        return [source for source in found if _is_wanted(PurePosixPath(source.key).name)]
    folder = Path(path)
    try:
        entries = sorted(entry for entry in folder.iterdir() if _is_wanted(entry.name))
    except OSError as error:
        raise BadInputFile("io", f"cannot read the folder {path}: {error.strerror}") from error
    return [FileSource(entry, root=folder) for entry in entries]


def list_left_out(path: str, settings: Settings | None = None) -> Sequence[LeftOut]:
    """Return what a folder, bucket or prefix holds that is not read. Raise as `list_collection` does."""
    if path.startswith(SCHEME):
        found = list_objects(_connect_store(path, settings), path)
        return [
            LeftOut(source.name, _find_fault(PurePosixPath(source.key).name))
            for source in found
            if not _is_wanted(PurePosixPath(source.key).name)
        ]
    entries = sorted(entry for entry in Path(path).iterdir() if not _is_wanted(entry.name))
    return [
        LeftOut(str(entry), _SUBFOLDER if entry.is_dir() else _find_fault(entry.name)) for entry in entries
    ]


def _find_fault(name: str) -> str:
    return _HIDDEN if name.startswith(".") else _OTHER_NAME


def _is_wanted(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _connect_store(address: str, settings: Settings | None) -> "S3Client":
    if settings is None:
        raise ConfigurationError(f"{address}: no object store is configured")
    return _make_client(settings)


@cache
def _make_client(settings: Settings) -> "S3Client":
    # boto3 takes 0.2 s to import: only commands that read objects pay for it.
    from shared.storage import make_client  # noqa: PLC0415

    return make_client(settings, settings.s3_endpoint)
