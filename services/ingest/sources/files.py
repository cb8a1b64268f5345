"""Files on disk and standard input as sources."""

import io
import os
import stat
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.ingest.sources.gzip_streams import decompress
from services.ingest.sources.source import BLOCK_BYTES
from shared.errors import BadInputFile

_NOT_A_FILE = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe; pipe into `uptill ingest -`"}


@dataclass(frozen=True)
class FileSource:
    """One regular file. If `root` is given, links must not lead out of it. `label` replaces the path as its name."""

    path: Path
    root: Path | None = None
    label: str | None = None
    is_rereadable: bool = True

    @property
    def name(self) -> str:
        return self.label or str(self.path)

    @property
    def size_bytes(self) -> int | None:
        return self.path.stat().st_size if self.path.is_file() else None

    @property
    def version(self) -> str:
        """Return a text that changes when the file is written to; it is empty if the file is gone."""
        try:
            found = self.path.stat()
        except OSError:
            return ""
        return f"{found.st_size}:{found.st_mtime_ns}"

    def read_blocks(self) -> Generator[bytes]:
        with self.open_seekable() as file:
            before = os.fstat(file.fileno())
            yield from read_rest(file)
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise BadInputFile(
                "changed_during_read", "the file changed while it was read; load it again when it is complete"
            )

    def open_seekable(self) -> io.FileIO:
        """Open the file; never wait for the other end of a pipe. Raise `BadInputFile` (`io`)."""
        if self.root is not None and not self.path.resolve().is_relative_to(self.root.resolve()):
            raise BadInputFile("io", f"the link leads out of {self.root}; name its target instead")
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _refuse_unreadable(error) from error
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            return io.FileIO(descriptor)
        os.close(descriptor)
        raise BadInputFile("io", f"this is {_NOT_A_FILE.get(stat.S_IFMT(mode), 'a device')}, not a file")


@dataclass(frozen=True)
class StandardInput:
    """Data that is piped into the command, plain or gzipped."""

    name: str = "-"
    size_bytes: int | None = None
    is_rereadable: bool = False

    def read_blocks(self) -> Generator[bytes]:
        yield from decompress(_read_standard_input())


def read_rest(file: io.RawIOBase, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield the rest of an open file. Raise `BadInputFile` (`io`) if it cannot be read."""
    while True:
        try:
            block = file.read(block_bytes) or b""
        except OSError as error:
            raise _refuse_unreadable(error) from error
        if not block:
            return
        yield block


def _read_standard_input() -> Iterator[bytes]:
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _refuse_unreadable(error: OSError) -> BadInputFile:
    return BadInputFile("io", f"cannot read it: {error.strerror}")
