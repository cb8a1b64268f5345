"""Decompresses gzip streams block by block, never to disk. Stops bombs, and detects streams that are cut off."""

import zlib
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

from services.ingest.parse.file_signatures import GZIP_SIGNATURE_BYTES, is_gzip
from services.ingest.sources.source import BLOCK_BYTES, Source
from services.ingest.sources.unpacking_limits import check_ratio
from shared.errors import BadInputFile

_GZIP_WINDOW = 16 + zlib.MAX_WBITS


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
    """Decompress one or several gzip members. Raise `BadInputFile` (`truncated`, `damaged`, `ratio`)."""
    inflate = zlib.decompressobj(_GZIP_WINDOW)
    bytes_in = bytes_out = 0
    within_member = False
    for block in blocks:
        bytes_in += len(block)
        rest = block
        while rest:
            if not within_member:
                # Tapes pad with NUL bytes.
                rest = rest.lstrip(b"\0")
                inflate, within_member = zlib.decompressobj(_GZIP_WINDOW), bool(rest)
                continue
            try:
                data = inflate.decompress(rest, BLOCK_BYTES)
            except zlib.error as error:
                message = f"the first {bytes_in:,} bytes are not valid gzip ({error}); send the file again"
                raise BadInputFile("damaged", message) from error
            bytes_out += len(data)
            check_ratio(bytes_in, bytes_out)
            if data:
                yield data
            rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            within_member = not inflate.eof
    if within_member:
        raise BadInputFile(
            "truncated", f"the gzip data end early, after {bytes_in:,} bytes; send the file again"
        )
