"""Refusals of a file because of the rows of one chunk. The rejected rows of that chunk are kept, to show what to correct."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeVar

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.reasons import Reject
from shared.errors import BadInputFile


class HasRejects(Protocol):
    """What a chunk becomes, as far as this module knows."""

    @property
    def rows_read(self) -> int: ...

    @property
    def rejects(self) -> Sequence[Reject]: ...


# In a chunk of 4 MB. Such lines cost time, and a packed file of a megabyte can have a billion of them.
MOST_BLANK_LINES: Final = 1_000_000
T = TypeVar("T", bound=HasRejects)


class ChunkRefused(BadInputFile):
    """A chunk was refused, and with it the rest of the file. None of its rows was written. `rejects`: its rejected rows."""

    rejects: Sequence[Reject] = ()


class LineRefused(ChunkRefused):
    """A line that makes unclear what the file means. The rejected rows are those above it."""

    def __init__(self, reason: str, message: str, line: int) -> None:
        super().__init__(reason, message)
        self.line = line


def parse_above_refusals(parse: Callable[[Chunk], T], chunk: Chunk) -> T:
    """Return the parsed chunk. Raise `LineRefused` with the rejected rows above the line, and `BadInputFile`."""
    try:
        parsed = parse(chunk)
    except LineRefused as refusal:
        refusal.rejects = _list_rejects_above(refusal.line, parse, chunk)
        raise
    blank = chunk.end_line - chunk.first_line + 1 - parsed.rows_read
    if blank > MOST_BLANK_LINES:
        raise BadInputFile(
            "blank_lines",
            f"{blank:,} lines from line {chunk.first_line:,} on are blank; send the file without them",
        )
    return parsed


def _list_rejects_above(line: int, parse: Callable[[Chunk], T], chunk: Chunk) -> Sequence[Reject]:
    while (lines := line - chunk.first_line) > 0:
        data = b"".join(text + b"\n" for text in chunk.data.split(b"\n", lines)[:lines])
        try:
            return parse(replace(chunk, data=data)).rejects
        except LineRefused as earlier:
            line = earlier.line
    return ()
