"""A source that says how far it has been read, whatever reads it."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from services.ingest.sources.source import Source


@dataclass(frozen=True)
class WatchedSource:
    """Calls `on_block` before each block, in the thread that reads. What that raises ends the reading."""

    watched: Source
    on_block: Callable[[], None]

    @property
    def name(self) -> str:
        return self.watched.name

    @property
    def size_bytes(self) -> int | None:
        return self.watched.size_bytes

    @property
    def is_rereadable(self) -> bool:
        return self.watched.is_rereadable

    def read_blocks(self) -> Generator[bytes]:
        with closing(self.watched.read_blocks()) as blocks:
            for block in blocks:
                self.on_block()
                yield block
