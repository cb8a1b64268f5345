"""A file on an SFTP server as a source. Knows no client: the connection does."""

import io
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from services.ingest.sources.seekable_blocks import SeekableBlocks
from services.ingest.sources.sftp_address import SftpAddress
from shared.errors import BadInputFile, SftpUnavailable

if TYPE_CHECKING:
    from services.ingest.sources.sftp_connection import SftpConnection

_MAX_FAILURES: Final = 5  # in a row, without a byte in between
_FIRST_PAUSE_S: Final = 0.2  # doubled after every failure


@dataclass(frozen=True)
class SftpSource:
    """One version of one file. Reading raises `SftpUnavailable` if the server stays away."""

    connection: "SftpConnection" = field(repr=False)
    address: SftpAddress
    path: str
    size_bytes: int
    modified_s: int
    is_rereadable: bool = True

    @property
    def version(self) -> str:
        return f"{self.size_bytes}:{self.modified_s}"

    @property
    def name(self) -> str:
        return self.address.name(self.path)

    def read_blocks(self) -> Generator[bytes]:
        return self.read_blocks_from(0)

    def open_seekable(self) -> io.RawIOBase:
        return SeekableBlocks(self)

    def read_blocks_from(self, position: int) -> Generator[bytes]:
        """Yield the bytes from this position on. Raise `BadInputFile` (`changed_during_read`, `io`)."""
        failures = 0
        while True:
            try:
                for block in self._read_on(position):
                    position += len(block)
                    failures = 0
                    yield block
            except SftpUnavailable:
                failures += 1
                if failures >= _MAX_FAILURES:
                    raise
                time.sleep(_FIRST_PAUSE_S * 2 ** (failures - 1))
            else:
                return

    def _read_on(self, position: int) -> Iterator[bytes]:
        """Yield blocks of one opened file. Look whether it is still this version before each block, and after the last one."""
        with self.connection.opened(self.path) as file:
            while True:
                if file.read_version() != (self.size_bytes, self.modified_s):
                    raise _changed()
                if position >= self.size_bytes:
                    return
                # What lies behind belongs to another version, and the file is refused before the next block.
                block = file.read_block(position)[: self.size_bytes - position]
                if not block:
                    raise _changed()
                position += len(block)
                yield block


def _changed() -> BadInputFile:
    return BadInputFile(
        "changed_during_read", "the file changed while it was read; load it again when it is complete"
    )
