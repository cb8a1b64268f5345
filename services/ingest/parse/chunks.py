"""Cuts a stream of bytes into chunks at line ends, in bounded memory. Knows lines, not fields."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.ingest.parse.header import Layout, check_magic, read_header, without_bom
from shared.errors import BadInputFile

MAX_LINE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place between two lines of a source: the bytes and lines before it, and the SHA-256 of those bytes."""

    end_byte: int
    end_line: int
    prefix_sha256: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines, and where in the file they stand.

    `data` ends with a newline even where the file does not; of an overlong line it may hold the start only.
    `end_line` and `prefix_sha256` describe the file up to `end_byte`.
    """

    first_line: int
    first_byte: int
    end_byte: int
    data: bytes
    end_line: int = 0
    prefix_sha256: bytes = b""

    @property
    def checkpoint(self) -> Checkpoint:
        """The place behind the last line."""
        return Checkpoint(self.end_byte, self.end_line, self.prefix_sha256)


@dataclass
class Prefix:
    """What was cut off a stream so far, header included: how much, and its SHA-256."""

    size_bytes: int = 0
    lines: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def extend(self, data: bytes | bytearray) -> None:
        """Add the bytes that follow; their lines are counted apart."""
        self.size_bytes += len(data)
        self.digest.update(data)


class PrefixDiffers(Exception):
    """The stream does not begin with the bytes that a checkpoint stands for."""


def open_table(
    blocks: Iterator[bytes],
    chunk_bytes: int = 4 << 20,
    *,
    prefix: Prefix | None = None,
    resume_at: Checkpoint | None = None,
) -> tuple[Layout, Iterator[Chunk]]:
    """The header, and the rows below it or below the checkpoint. Blank lines above the header are skipped.

    `prefix` grows as chunks are cut. Raises `BadInputFile`, and `PrefixDiffers` when the checkpoint does not fit.
    """
    prefix = prefix or Prefix()
    start = bytearray()
    header_from, lines = 0, 1
    while True:
        end = start.find(b"\n", header_from)
        if end >= 0 and without_bom(bytes(start[header_from:end])).strip():
            break
        if end >= 0:
            header_from, lines = end + 1, lines + 1
        elif len(start) - header_from > MAX_LINE_BYTES:
            raise BadInputFile("header", "line 1 is longer than 64 KB; it must be the header of a CSV file")
        elif block := next(blocks, b""):
            start += block
            check_magic(bytes(start[:1024]))
        else:
            end = len(start)
            break
    text = bytes(start[header_from:end])
    if not without_bom(text).strip():
        raise BadInputFile("empty_file", "the file is empty; nothing was loaded")
    layout = read_header(without_bom(text))
    prefix.extend(start[: end + 1])
    prefix.lines = lines
    del start[: end + 1]
    if resume_at is not None:
        _pass_over(resume_at, prefix, start, blocks)
    return layout, _cut(start, blocks, prefix, chunk_bytes)


def _pass_over(checkpoint: Checkpoint, prefix: Prefix, pending: bytearray, blocks: Iterator[bytes]) -> None:
    """Go on to the checkpoint without cutting."""
    last = b"\n"
    while (missing := checkpoint.end_byte - prefix.size_bytes) > 0:
        if not pending:
            pending += next(blocks, b"")
        if not pending:
            raise PrefixDiffers
        last = bytes(pending[min(missing, len(pending)) - 1 :][:1])
        prefix.extend(pending[:missing])
        del pending[:missing]
    if (
        last != b"\n" and not pending
    ):  # the checkpoint stands behind a last line: was that the last one indeed?
        pending += next(blocks, b"")
    if prefix.digest.digest() != checkpoint.prefix_sha256 or (last != b"\n" and pending):
        raise PrefixDiffers
    prefix.lines = checkpoint.end_line


def _cut(pending: bytearray, blocks: Iterator[bytes], prefix: Prefix, chunk_bytes: int) -> Iterator[Chunk]:
    limit = max(chunk_bytes, MAX_LINE_BYTES + 1)
    more = True
    while more or pending:
        while more and len(pending) <= limit:
            block = next(blocks, b"")
            more = bool(block)
            pending += block
        if not pending:
            return
        first_line, first_byte = prefix.lines + 1, prefix.size_bytes
        end = pending.rfind(b"\n", 0, chunk_bytes) + 1 or pending.find(b"\n", 0, limit) + 1
        if not more and len(pending) <= (chunk_bytes if end else limit):
            end = len(pending)  # the rest, its last line also without its newline
        if end:
            data = bytes(memoryview(pending)[:end])
            del pending[:end]
            prefix.extend(data)
            data = data if data.endswith(b"\n") else data + b"\n"
        else:
            data = bytes(memoryview(pending)[: MAX_LINE_BYTES + 1]) + b"\n"
            _drop_line(pending, blocks, prefix)
        prefix.lines += data.count(b"\n")
        yield Chunk(first_line, first_byte, prefix.size_bytes, data, prefix.lines, prefix.digest.digest())


def _drop_line(pending: bytearray, blocks: Iterator[bytes], prefix: Prefix) -> None:
    """Forget an endless line up to its newline."""
    while True:
        end = pending.find(b"\n") + 1
        prefix.extend(pending[: end or len(pending)])
        del pending[: end or len(pending)]
        if end or not (block := next(blocks, b"")):
            return
        pending += block
