"""Where bytes come from: files, folders, patterns, archives, objects, standard input. Knows no CSV."""

import glob
import io
import os
import stat
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from services.ingest.sources import archives
from services.ingest.sources.objects import SCHEME, ObjectSource, find_object, find_objects
from shared.errors import BadInputFile, ConfigurationError
from shared.settings import Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BLOCK_BYTES = 1 << 20
SUFFIXES = (".csv", ".csv.gz", ".zip")  # of what is taken from folders and prefixes
_NOT_A_FILE = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe; pipe into `uptill ingest -`"}


class Source(Protocol):
    """A named stream of bytes. `size_bytes` is None where it is not known before the end."""

    @property
    def name(self) -> str: ...

    @property
    def size_bytes(self) -> int | None: ...

    @property
    def rereadable(self) -> bool:
        """Whether `blocks` may be called more than once."""
        ...

    def blocks(self) -> Generator[bytes]:
        """The bytes from the first, in blocks of any size but none.

        Raises `BadInputFile` (`io`, `changed_during_read`, `truncated`, `damaged`, `ratio`) and `StorageUnavailable`.
        """
        ...


@dataclass(frozen=True)
class FileSource:
    """One regular file on disk; below `root`, if one is given, also when links are followed. Known as `label`."""

    path: Path
    root: Path | None = None
    label: str | None = None
    rereadable: bool = True

    @property
    def name(self) -> str:
        return self.label or str(self.path)

    @property
    def size_bytes(self) -> int | None:
        return self.path.stat().st_size if self.path.is_file() else None

    @property
    def version(self) -> str:
        """What differs when the file was written to; empty when it is not there."""
        try:
            found = self.path.stat()
        except OSError:
            return ""
        return f"{found.st_size}:{found.st_mtime_ns}"

    def blocks(self) -> Generator[bytes]:
        with self.opened() as file:
            before = os.fstat(file.fileno())
            while block := self._read(file):
                yield block
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise BadInputFile(
                "changed_during_read", "the file changed while it was read; load it again when it is complete"
            )

    def opened(self) -> io.FileIO:
        """The file, seekable. Never waits for the other end of a pipe. Raises `BadInputFile` (`io`)."""
        if self.root is not None and not self.path.resolve().is_relative_to(self.root.resolve()):
            raise BadInputFile("io", f"the link leads out of {self.root}; name its target instead")
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._unreadable(error) from error
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            return io.FileIO(descriptor)
        os.close(descriptor)
        raise BadInputFile("io", f"this is {_NOT_A_FILE.get(stat.S_IFMT(mode), 'a device')}, not a file")

    def _read(self, file: io.FileIO) -> bytes:
        try:
            return file.read(BLOCK_BYTES) or b""
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> BadInputFile:
        return BadInputFile("io", f"cannot read it: {error.strerror}")


@dataclass(frozen=True)
class StandardInput:
    """What is piped into the command, also packed with gzip."""

    name: str = "-"
    size_bytes: int | None = None
    rereadable: bool = False

    def blocks(self) -> Generator[bytes]:
        yield from archives.unpacked(self._packed())

    def _packed(self) -> Iterator[bytes]:
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as file:
            while block := file.read(BLOCK_BYTES):
                yield block


@dataclass(frozen=True)
class Gzipped:
    """What a gzip source unpacks to; its size is known at its end."""

    packed: Source
    size_bytes: int | None = None

    @property
    def name(self) -> str:
        return self.packed.name

    @property
    def rereadable(self) -> bool:
        return self.packed.rereadable

    def blocks(self) -> Generator[bytes]:
        with closing(self.packed.blocks()) as blocks:
            yield from archives.gunzip(blocks)


@dataclass(frozen=True)
class Refused:
    """A source that was looked at and cannot be one."""

    name: str
    refusal: BadInputFile
    size_bytes: int | None = None
    rereadable: bool = True

    def blocks(self) -> Generator[bytes]:
        raise self.refusal
        yield


Stored = FileSource | ObjectSource


def find(path: str, settings: Settings | None = None) -> Sequence[Stored | StandardInput]:
    """What an argument names, as it is stored.

    A folder, or a prefix of an object store, stands for what it holds with one of `SUFFIXES`. Object stores need the
    settings. Raises `BadInputFile` (`io`) where the argument names nothing, and `StorageUnavailable`.
    """
    if path == "-":
        return [StandardInput()]
    if is_collection(path):
        found = contents(path, settings)
        if not found:
            raise BadInputFile("io", f"{path} holds no {', '.join(SUFFIXES)} file")
        return found
    if path.startswith(SCHEME):
        return [find_object(_client(_needed(settings, path)), path)]
    if glob.has_magic(path) and not Path(path).exists():
        entries = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
        if not entries:
            raise BadInputFile("io", f"no file fits {path}")
        return [source for entry in entries for source in find(entry)]
    return [FileSource(Path(path))]


def is_collection(path: str) -> bool:
    """Whether this names a folder, or a bucket or prefix of an object store."""
    if path.startswith(SCHEME):
        return path.endswith("/") or "/" not in path.removeprefix(SCHEME)
    return Path(path).is_dir()


def contents(path: str, settings: Settings | None = None) -> Sequence[Stored]:
    """What a folder, bucket or prefix holds now, by name. Raises `BadInputFile` (`io`) and `StorageUnavailable`."""
    if path.startswith(SCHEME):
        found = find_objects(_client(_needed(settings, path)), path)
        return [source for source in found if _is_wanted(PurePosixPath(source.key).name)]
    folder = Path(path)
    try:
        entries = sorted(entry for entry in folder.iterdir() if _is_wanted(entry.name))
    except OSError as error:
        raise BadInputFile("io", f"cannot read the folder {path}: {error.strerror}") from error
    return [FileSource(entry, root=folder) for entry in entries]


def unpack(stored: Stored | StandardInput) -> Sequence[Source]:
    """The sources in what is stored: told by its first bytes, and for zip archives by its name not being `.csv`."""
    if isinstance(stored, StandardInput):
        return [stored]
    try:
        with closing(stored.blocks()) as blocks:
            start = next(blocks, b"")
        if archives.is_gzip(start):
            return [Gzipped(stored)]
        if archives.is_zip(start) and not stored.name.lower().endswith(".csv"):
            return archives.members(stored)
    except BadInputFile as refusal:
        return [Refused(stored.name, refusal)]
    return [stored]


def is_archive(sources: Sequence[Source]) -> bool:
    """Whether these, of one thing stored, are the members of an archive."""
    return any(isinstance(source, archives.Member) for source in sources)


def _is_wanted(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _needed(settings: Settings | None, address: str) -> Settings:
    if settings is None:
        raise ConfigurationError(f"{address}: no object store is configured")
    return settings


@cache
def _client(settings: Settings) -> "S3Client":
    # Only who reads objects waits for boto3: it takes 0.2 s to import.
    from shared.storage import make_client  # noqa: PLC0415

    return make_client(settings, settings.s3_endpoint)
