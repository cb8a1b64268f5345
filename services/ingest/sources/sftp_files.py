"""The folders of an SFTP server: what they hold, and where files go once they are loaded."""

import posixpath
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Final

import asyncssh
from asyncssh.constants import FILEXFER_TYPE_DIRECTORY, FILEXFER_TYPE_SYMLINK

from services.ingest.sources.left_out import LeftOut
from services.ingest.sources.sftp_address import SftpAddress
from services.ingest.sources.sftp_connection import SftpConnection
from services.ingest.sources.sftp_source import SftpSource
from shared.errors import BadInputFile

_LINK: Final = "it is a link; name its target instead"
_HIDDEN: Final = "it is hidden"


@dataclass(frozen=True)
class FolderContents:
    """The regular files of a folder and its subfolders, by path, and what else it holds."""

    files: Sequence[SftpSource]
    left_out: Sequence[LeftOut]


def find_file(connection: SftpConnection, address: SftpAddress) -> SftpSource:
    """Return one file. Raise `BadInputFile` (`io`) and `SftpUnavailable`."""
    found = connection.ask(lambda sftp: sftp.stat(address.path), address.name(address.path))
    if found.type == FILEXFER_TYPE_DIRECTORY:
        raise BadInputFile("io", f"{address.name(address.path)} is a folder, though it is named like a file")
    return SftpSource(connection, address, address.path, found.size or 0, found.mtime or 0)


def list_folder(connection: SftpConnection, address: SftpAddress, archive: str = "") -> FolderContents:
    """Return what a folder holds now, without the folder of loaded files. Raise as `find_file` does."""
    skipped = archive_path(address.path, archive) if archive else ""
    left_out: list[LeftOut] = []
    files: list[SftpSource] = []
    waiting = deque([address.path])
    while waiting:
        folder = waiting.popleft()
        try:
            entries = connection.ask(
                partial(_scan, folder), address.name(folder) if folder == address.path else ""
            )
        except BadInputFile as refusal:
            if folder == address.path:
                raise
            left_out.append(LeftOut(address.name(folder), str(refusal)))
            continue
        for name, found in entries:
            path = posixpath.join(folder, name)
            if found.type == FILEXFER_TYPE_SYMLINK:
                left_out.append(LeftOut(address.name(path), _LINK))
            elif found.type != FILEXFER_TYPE_DIRECTORY:
                files.append(SftpSource(connection, address, path, found.size or 0, found.mtime or 0))
            elif name.startswith("."):
                left_out.append(LeftOut(address.name(path), _HIDDEN))
            elif path != skipped:
                waiting.append(path)
    return FolderContents(sorted(files, key=lambda one: one.path), left_out)


def archive_path(root: str, archive: str) -> str:
    """Return the path of the folder of loaded files: relative to the watched folder, or absolute."""
    return posixpath.normpath(posixpath.join(root, archive))


def archive_file(source: SftpSource, archive: str) -> str | None:
    """Move this version of a file below the folder of loaded files. Return its new path, or None if it is gone or has changed.

    It keeps its place among the subfolders; if there is such a file already, it gets a number. Raise `BadInputFile` (`io`) and
    `SftpUnavailable`.
    """
    root = source.address.path
    target = posixpath.join(archive_path(root, archive), posixpath.relpath(source.path, root))
    return source.connection.ask(partial(_move, source, target), source.name)


async def _scan(folder: str, sftp: asyncssh.SFTPClient) -> list[tuple[str, asyncssh.SFTPAttrs]]:
    entries = [entry async for entry in sftp.scandir(folder)]
    return [(str(entry.filename), entry.attrs) for entry in entries if entry.filename not in {".", ".."}]


async def _move(source: SftpSource, target: str, sftp: asyncssh.SFTPClient) -> str | None:
    try:
        found = await sftp.stat(source.path)
    except asyncssh.SFTPNoSuchFile:
        return None
    if (found.size, found.mtime) != (source.size_bytes, source.modified_s):
        return None
    folder, (stem, dot, suffix) = posixpath.dirname(target), posixpath.basename(target).partition(".")
    await _make_folder(folder, sftp)
    for number in count(1):
        if not await sftp.exists(target):
            break
        target = posixpath.join(folder, f"{stem}-{number}{dot}{suffix}")
    await sftp.rename(source.path, target)
    return target


async def _make_folder(path: str, sftp: asyncssh.SFTPClient) -> None:
    # The client has a function for this, whose error hides what the server said.
    if path and not await sftp.isdir(path):
        await _make_folder(posixpath.dirname(path), sftp)
        await sftp.mkdir(path)
