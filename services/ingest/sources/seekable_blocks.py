"""Something that is read in blocks from any position, as a file."""

import io
from collections.abc import Generator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer


class BlockSource(Protocol):
    """A version of something stored elsewhere."""

    @property
    def size_bytes(self) -> int: ...

    def read_blocks_from(self, position: int) -> Generator[bytes]:
        """Yield the bytes from this position on."""
        ...


class SeekableBlocks(io.RawIOBase):
    """A source as a file. Sequential reads share one stream; a seek starts another."""

    def __init__(self, source: BlockSource) -> None:
        self._source = source
        self._position = 0
        self._blocks: Generator[bytes] | None = None
        self._rest = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size_bytes}[whence]
        if start + offset < 0:
            raise ValueError("the position is before the first byte")
        if start + offset != self._position:
            self._drop_stream()
            self._position = start + offset
        return self._position

    def readinto(self, buffer: "Buffer", /) -> int:
        view = memoryview(buffer).cast("B")
        if self._blocks is None:
            self._blocks = self._source.read_blocks_from(self._position)
        if not self._rest:
            self._rest = next(self._blocks, b"")
        piece, self._rest = self._rest[: len(view)], self._rest[len(view) :]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        self._drop_stream()
        super().close()

    def _drop_stream(self) -> None:
        if self._blocks is not None:
            self._blocks.close()
        self._blocks, self._rest = None, b""
