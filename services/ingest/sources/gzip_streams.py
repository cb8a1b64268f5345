"""Decompresses gzip streams block by block, never to disk. Stops bombs, and detects what is cut off or joined on."""

import zlib
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

from services.ingest.parse.file_formats import GZIP_START
from services.ingest.parse.file_signatures import GZIP_SIGNATURE_BYTES, is_gzip
from services.ingest.sources.source import BLOCK_BYTES, Source
from services.ingest.sources.unpacking_limits import check_ratio
from shared.errors import BadInputFile

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_MAX_PADDING = 64 << 10  # a block of tar, the largest that is common


@dataclass(frozen=True)
class GzipSource:
    """The decompressed bytes of a gzip source. Their size is known only at the end."""

    packed: Source
    size_bytes: int | None = None

    @property
    def name(self) -> str:
        return self.packed.name

    @property
    def is_rereadable(self) -> bool:
        return self.packed.is_rereadable

    def read_blocks(self) -> Generator[bytes]:
        with closing(self.packed.read_blocks()) as blocks:
            yield from gunzip(blocks)


def decompress(blocks: Iterator[bytes]) -> Generator[bytes]:
    """Yield the blocks, decompressed if they are gzip. Raise as `gunzip` does."""
    start = b""
    while len(start) < GZIP_SIGNATURE_BYTES and (block := next(blocks, b"")):
        start += block
    if start:
        stream = chain([start], blocks)
        yield from gunzip(stream) if is_gzip(start) else stream


def gunzip(blocks: Iterator[bytes]) -> Generator[bytes]:
    """Decompress one or several gzip members, and up to 64 KB of NUL bytes after them, with which tapes are padded.

    Raise `BadInputFile` (`truncated`, `damaged`, `ratio`).
    """
    inflate: zlib._Decompress | None = None  # None between members
    bytes_in = bytes_out = members = 0
    rest = b""
    for block in blocks:
        bytes_in += len(block)
        rest += block
        while rest:
            if inflate is None:
                if members and _is_end(rest, blocks, bytes_in - len(rest)):
                    return
                if len(rest) < GZIP_SIGNATURE_BYTES:
                    break  # its other byte is in the next block
                inflate = zlib.decompressobj(_GZIP_WINDOW)
            data = _inflate(inflate, rest, bytes_in)
            bytes_out += len(data)
            check_ratio(bytes_in, bytes_out)
            if data:
                yield data
            rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            if inflate.eof:
                inflate, members = None, members + 1
    if rest and members:
        raise _refuse_trailing(bytes_in - len(rest))
    if rest or inflate is not None:
        raise BadInputFile(
            "truncated", f"the gzip data end early, after {bytes_in:,} bytes; send the file again"
        )


def _inflate(inflate: "zlib._Decompress", data: bytes, bytes_in: int) -> bytes:
    try:
        return inflate.decompress(data, BLOCK_BYTES)
    except zlib.error as error:
        message = f"the first {bytes_in:,} bytes are not valid gzip ({error}); send the file again"
        raise BadInputFile("damaged", message) from error


def _is_end(rest: bytes, blocks: Iterator[bytes], end: int) -> bool:
    """Return whether only padding follows a member. Raise `BadInputFile` for what is neither padding nor a member."""
    if rest[0]:
        if not GZIP_START.startswith(rest[:GZIP_SIGNATURE_BYTES]):
            raise _refuse_trailing(end)
        return False
    padding = 0
    for block in chain([rest], blocks):
        padding += len(block)
        # NUL bytes before another member may stand for a lost part.
        if block.strip(b"\0") or padding > _MAX_PADDING:
            raise _refuse_trailing(end)
    return True


def _refuse_trailing(end: int) -> BadInputFile:
    return BadInputFile(
        "damaged",
        f"the gzip data end at byte {end:,}, and more bytes follow, which are not gzip: the file was joined with another"
        " one or is damaged; send it again, or pack what it holds again: gzip -dc FILE | gzip > NEW",
    )
