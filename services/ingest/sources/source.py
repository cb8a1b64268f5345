"""A source of bytes, and what is known of it once it was opened to look at its header."""

import hashlib
import io
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from services.ingest.parse.kinds import LOAD_ORDER, Kind
from shared.errors import BadInputFile

BLOCK_BYTES = 1 << 20
HEAD_BYTES = 64 << 10  # enough to see the header


class Source(Protocol):
    """A named stream of bytes. `size_bytes` is None if it is not known before the end."""

    @property
    def name(self) -> str: ...

    @property
    def size_bytes(self) -> int | None: ...

    @property
    def is_rereadable(self) -> bool:
        """Whether `read_blocks` may be called more than once."""
        ...

    def read_blocks(self) -> Generator[bytes]:
        """Yield the bytes from the first on, in blocks that are not empty.

        Raise `BadInputFile` (`io`, `changed_during_read`, `truncated`, `damaged`, `ratio`) and `StorageUnavailable`.
        """
        ...


class SeekableSource(Protocol):
    """A source whose bytes can be read from any position."""

    @property
    def name(self) -> str: ...

    def open_seekable(self) -> io.RawIOBase:
        """Open it. Raise `BadInputFile` (`io`)."""
        ...


@dataclass(frozen=True)
class ResolvedSource:
    """One table to load. `kind` is None if the header could not be read yet, or cannot be read at all."""

    source: Source
    kind: Kind | None
    is_member: bool = False  # of an archive

    @property
    def load_order(self) -> int:
        """Return the rank by kind; tables of unknown kind come last."""
        return LOAD_ORDER.index(self.kind) if self.kind else len(LOAD_ORDER)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def size_bytes(self) -> int | None:
        return self.source.size_bytes

    @property
    def is_rereadable(self) -> bool:
        return self.source.is_rereadable

    def read_blocks(self) -> Generator[bytes]:
        """Open the source, and yield its bytes."""
        return self.source.read_blocks()


@dataclass(frozen=True)
class RefusedSource:
    """A source that cannot be loaded. Reading it raises the reason."""

    name: str
    refusal: BadInputFile
    size_bytes: int | None = None
    is_rereadable: bool = True

    def read_blocks(self) -> Generator[bytes]:
        raise self.refusal
        yield


def hash_source(source: Source) -> bytes:
    """Read the whole source and return its SHA-256. Raise as `read_blocks` does."""
    digest = hashlib.sha256()
    with closing(source.read_blocks()) as blocks:
        for block in blocks:
            digest.update(block)
    return digest.digest()
