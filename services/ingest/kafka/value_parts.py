"""What is read of a message's value, part by part: a poll of a list, or a row of CSV. A bad part costs only itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.ingest.parse.header import Layout
from services.ingest.parse.reasons import RAW_BYTES


class ValuePart(NamedTuple):
    """A part of a value: its name, empty if it is the whole value, and the start of its text."""

    name: str
    raw: bytes

    @classmethod
    def of_text(cls, name: str, text: bytes) -> "ValuePart":
        """Build one of its whole text."""
        return cls(name, text[:RAW_BYTES])


class PartFault(NamedTuple):
    """Why the part with this number is not read: a code of `ROW_REASONS`."""

    number: int
    reason: str
    part: ValuePart


@dataclass(frozen=True)
class PartlyRead:
    """The lines of the good parts of a value, the number of the part of each line, and the bad parts."""

    lines: bytes
    numbers: Sequence[int]
    faults: Sequence[PartFault]


def read_nothing(reason: str, value: bytes) -> PartlyRead:
    """Return what is read of a value that is rejected as a whole."""
    return PartlyRead(b"", (), [PartFault(0, reason, ValuePart.of_text("", value))])


@dataclass(frozen=True)
class ValueFormat:
    """How values become lines of a table of polls.

    `read` returns only the lines if each part of the value is good: line n is that of part n. `list_parts` returns all parts
    of a value that was read.
    """

    layout: Layout
    read: Callable[[bytes], bytes | PartlyRead]
    list_parts: Callable[[bytes], Sequence[ValuePart]]
