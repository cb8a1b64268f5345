"""Finds what the arguments of `uptill ingest` name: files, folders, patterns, objects, standard input."""

import glob
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from services.ingest.sources.files import FileSource, StandardInput
from services.ingest.sources.left_out import LOCK_FILE, LeftOut, is_lock_file
from services.ingest.sources.object_store import find_object, list_objects
from services.ingest.sources.objects import SCHEME
from services.ingest.sources.resolve import Stored, StoredObject
from services.ingest.sources.sftp_address import SFTP_SCHEME, SftpAddress, parse_sftp_address
from services.ingest.sources.sftp_source import SftpSource
from shared.errors import BadInputFile, ConfigurationError
from shared.settings import Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from services.ingest.sources.sftp_connection import SftpConnection
    from services.ingest.sources.sftp_files import FolderContents

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
    if path.startswith(SFTP_SCHEME):
        return [_find_file(path, settings)]
    if glob.has_magic(path) and not Path(path).exists():
        entries = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
        if not entries:
            raise BadInputFile("io", f"no file matches {path}")
        return [source for entry in entries for source in find_stored(entry)]
    if scheme := _SCHEME.match(path):
        raise BadInputFile(
            "io",
            f"{path}: {scheme[0]} addresses cannot be loaded, only files, s3:// and sftp://; download it first",
        )
    return [FileSource(Path(path))]


def is_collection(path: str) -> bool:
    """Return whether the argument names a folder, or a bucket or prefix of an object store.

    On an SFTP server, everything is a folder that is not named like a file to load.
    """
    if path.startswith(SFTP_SCHEME):
        return not path.lower().endswith(SUFFIXES)
    if path.startswith(SCHEME):
        return path.endswith("/") or "/" not in path.removeprefix(SCHEME)
    return Path(path).is_dir()


def is_on_server(path: str) -> bool:
    """Return whether the argument is an address of an SFTP server."""
    return path.startswith(SFTP_SCHEME)


def list_collection(path: str, settings: Settings | None = None) -> Sequence[StoredObject]:
    """Return what a folder, bucket or prefix holds now, by name. Raise `BadInputFile` (`io`) and `StorageUnavailable`."""
    if path.startswith(SCHEME):
        found = list_objects(_connect_store(path, settings), path)
        return [source for source in found if _is_wanted(PurePosixPath(source.key).name)]
    if path.startswith(SFTP_SCHEME):
        return [one for one in _list_folder(path, settings).files if _is_wanted(PurePosixPath(one.path).name)]
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
    if path.startswith(SFTP_SCHEME):
        contents = _list_folder(path, settings)
        names = {one.name: PurePosixPath(one.path).name for one in contents.files}
        unwanted = [LeftOut(name, _find_fault(last)) for name, last in names.items() if not _is_wanted(last)]
        return [*contents.left_out, *unwanted]
    entries = sorted(entry for entry in Path(path).iterdir() if not _is_wanted(entry.name))
    return [
        LeftOut(str(entry), _SUBFOLDER if entry.is_dir() else _find_fault(entry.name)) for entry in entries
    ]


def _find_fault(name: str) -> str:
    if is_lock_file(name):
        return LOCK_FILE
    return _HIDDEN if name.startswith(".") else _OTHER_NAME


def _is_wanted(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".") and not is_lock_file(name)


def _find_file(path: str, settings: Settings | None) -> SftpSource:
    from services.ingest.sources.sftp_files import find_file  # noqa: PLC0415 (as below)

    address = parse_sftp_address(path)
    return find_file(_connect_server(address, settings), address)


def _list_folder(path: str, settings: Settings | None) -> "FolderContents":
    from services.ingest.sources.sftp_files import list_folder  # noqa: PLC0415 (as below)

    address = parse_sftp_address(path)
    archive = settings.sftp_archive if settings else ""
    return list_folder(_connect_server(address, settings), address, archive)


def _connect_server(address: SftpAddress, settings: Settings | None) -> "SftpConnection":
    if settings is None:
        raise ConfigurationError(f"{address.server}: no login for an SFTP server is configured")
    return _open_connection(address.user, address.host, address.port, settings)


@cache
def _open_connection(user: str, host: str, port: int, settings: Settings) -> "SftpConnection":
    # asyncssh takes a third of a second to import.
    from services.ingest.sources.sftp_connection import SftpConnection  # noqa: PLC0415

    return SftpConnection(SftpAddress(user, host, port, "/"), settings)


def _connect_store(address: str, settings: Settings | None) -> "S3Client":
    if settings is None:
        raise ConfigurationError(f"{address}: no object store is configured")
    return _make_client(settings)


@cache
def _make_client(settings: Settings) -> "S3Client":
    # boto3 takes 0.2 s to import: only commands that read objects pay for it.
    from shared.storage import make_client  # noqa: PLC0415

    return make_client(settings, settings.s3_endpoint)
