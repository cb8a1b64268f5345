"""Cuts a stream of bytes into chunks at line ends, in bounded memory. Handles lines, not fields."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from services.ingest.parse.chunk import Checkpoint, Chunk
from services.ingest.parse.file_signatures import SIGNATURE_BYTES, refuse_other_formats
from services.ingest.parse.header import (
    Layout,
    find_header_below,
    has_bom,
    read_header,
    read_separator_line,
)
from services.ingest.parse.header_fields import strip_bom
from services.ingest.parse.line_ends import refuse_unclear_end
from services.ingest.parse.other_columns import refuse_telling_columns
from shared.errors import BadInputFile

MAX_LINE_BYTES = 64 << 10
_TITLE_LINES = 20  # above a table, at most
TAIL_BYTES = 64 << 10


@dataclass
class Prefix:
    """The part of a stream that was already cut off, header included: its size, lines and SHA-256, and the rows at its end."""

    size_bytes: int = 0
    lines: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    tail: bytes = b""

    def add_bytes(self, data: bytes | bytearray) -> None:
        """Add the next bytes. The caller counts their lines."""
        self.size_bytes += len(data)
        self.digest.update(data)
        self.tail = (self.tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]


class PrefixDiffers(Exception):
    """The stream does not begin with the bytes before the checkpoint."""


def read_layout(blocks: Iterator[bytes]) -> Layout:
    """Read only the header. Raise `BadInputFile` if there is none."""
    return _read_start(blocks)[0]


def open_table(
    blocks: Iterator[bytes],
    chunk_bytes: int = 4 << 20,
    *,
    prefix: Prefix | None = None,
    resume_at: Checkpoint | None = None,
) -> tuple[Layout, Iterator[Chunk]]:
    """Return the header's layout, and the rows after the header or after the checkpoint.

    Blank lines above the header are skipped. `prefix` grows as chunks are cut. Raise `BadInputFile`, and
    `PrefixDiffers` if the stream does not match the checkpoint.
    """
    prefix = prefix or Prefix()
    layout, pending, header_bytes, prefix.lines = _read_start(blocks)
    prefix.add_bytes(pending[:header_bytes])
    prefix.tail = b""
    del pending[:header_bytes]
    if resume_at is not None:
        _skip_to_checkpoint(resume_at, prefix, pending, blocks)
    return layout, _cut_chunks(pending, blocks, prefix, chunk_bytes)


def _read_start(blocks: Iterator[bytes]) -> tuple[Layout, bytearray, int, int]:
    """Return the layout, the bytes read so far, and how many bytes and lines of them the header takes."""
    start = bytearray()
    while len(start) < SIGNATURE_BYTES and (block := next(blocks, b"")):
        start += block
    refuse_other_formats(bytes(start[:SIGNATURE_BYTES]))
    header_from, lines, separator = 0, 1, None
    while True:
        end = start.find(b"\n", header_from)
        line = strip_bom(bytes(start[header_from:end])) if end >= 0 else b""
        separator = separator or read_separator_line(line)
        if line.strip() and not read_separator_line(line):
            break
        _refuse_blank_start(header_from)
        if end >= 0:
            header_from, lines = end + 1, lines + 1
        elif len(start) - header_from > MAX_LINE_BYTES:
            refuse_unclear_end(bytes(start[header_from:]).rstrip(b"\r"), lines)
            raise BadInputFile("header", "line 1 is longer than 64 KB; it must be the header of a CSV file")
        elif block := next(blocks, b""):
            start += block
        else:
            end = len(start)
            break
    text = strip_bom(bytes(start[header_from:end]))
    if not text.strip():
        raise BadInputFile("empty_file", "the file is empty; nothing was loaded")
    refuse_unclear_end(text.removesuffix(b"\r"), lines)
    try:
        layout = read_header(text, separator)
    except BadInputFile as refusal:
        raise _refuse_title(refusal, bytes(start[end + 1 :]), lines) from None
    refuse_telling_columns(layout)
    if has_bom(start):
        layout = replace(layout, encoding="utf-8")
    return layout, start, end + 1, lines


def _refuse_blank_start(blank_bytes: int) -> None:
    if blank_bytes > MAX_LINE_BYTES:
        raise BadInputFile("blank_lines", "the first 64 KB are blank lines; send the file without them")


def _refuse_title(refusal: BadInputFile, below: bytes, line: int) -> BadInputFile:
    """Return the refusal of a line that is not a header. If one of the next lines is, say so: titles stand above tables."""
    index = find_header_below(below.split(b"\n", _TITLE_LINES)[:_TITLE_LINES])
    if index is None:
        return refusal
    return BadInputFile(
        "header",
        f"line {line + index + 1:,} has the names of the columns, and must be the first line: remove what is above it",
    )


def _skip_to_checkpoint(
    checkpoint: Checkpoint, prefix: Prefix, pending: bytearray, blocks: Iterator[bytes]
) -> None:
    last = b"\n"
    while (missing := checkpoint.end_byte - prefix.size_bytes) > 0:
        if not pending:
            pending += next(blocks, b"")
        if not pending:
            raise PrefixDiffers
        last = bytes(pending[min(missing, len(pending)) - 1 :][:1])
        prefix.add_bytes(pending[:missing])
        del pending[:missing]
    # A checkpoint after a line without newline is right only if that line is still the last one.
    if last != b"\n" and not pending:
        pending += next(blocks, b"")
    if prefix.digest.digest() != checkpoint.prefix_sha256 or (last != b"\n" and pending):
        raise PrefixDiffers
    prefix.lines = checkpoint.end_line


def _cut_chunks(
    pending: bytearray, blocks: Iterator[bytes], prefix: Prefix, chunk_bytes: int
) -> Iterator[Chunk]:
    limit = max(chunk_bytes, MAX_LINE_BYTES + 1)
    more = True
    while more or pending:
        while more and len(pending) <= limit:
            block = next(blocks, b"")
            more = bool(block)
            pending += block
        if not pending:
            return
        first_line, first_byte, above = prefix.lines + 1, prefix.size_bytes, prefix.tail
        end = pending.rfind(b"\n", 0, chunk_bytes) + 1 or pending.find(b"\n", 0, limit) + 1
        if not more and len(pending) <= (chunk_bytes if end else limit):
            # The rest, even if its last line has no newline.
            end = len(pending)
        if end:
            data = bytes(memoryview(pending)[:end])
            del pending[:end]
            prefix.add_bytes(data)
            data = data if data.endswith(b"\n") else data + b"\n"
        else:
            data = bytes(memoryview(pending)[: MAX_LINE_BYTES + 1]) + b"\n"
            _drop_line(pending, blocks, prefix)
        # `data.count` takes ten times as long.
        prefix.lines += int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))
        digest = prefix.digest.digest()
        yield Chunk(first_line, first_byte, prefix.size_bytes, data, prefix.lines, digest, above=above)


def _drop_line(pending: bytearray, blocks: Iterator[bytes], prefix: Prefix) -> None:
    """Skip the rest of an overlong line, including its newline."""
    while True:
        end = pending.find(b"\n") + 1
        prefix.add_bytes(pending[: end or len(pending)])
        del pending[: end or len(pending)]
        if end or not (block := next(blocks, b"")):
            return
        pending += block
