"""Turns the values of messages into lines of a table of polls, so that messages are read by the rules for files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.ingest.kafka.csv_lines import list_csv_parts, read_csv_value
from services.ingest.kafka.json_lines import JSON_HEADER, list_json_parts, read_json_value
from services.ingest.kafka.value_parts import PartFault, PartlyRead, ValueFormat, ValuePart, read_nothing
from services.ingest.parse.header import read_header
from services.ingest.parse.other_columns import refuse_telling_columns

_NO_NUMBERS: Mapping[int, Sequence[int]] = {}


@dataclass(frozen=True)
class Lines:
    """The lines of some messages, and the parts of messages that have none.

    `ends` has the number of lines up to the end of each message. `numbers` has the number of the part of each line, for
    those messages in which it is not that of the line.
    """

    data: bytes
    ends: NDArray[np.int64]
    unread: Sequence[tuple[int, PartFault]]
    numbers: Mapping[int, Sequence[int]]

    def find_part(self, line: int) -> tuple[int, int]:
        """Return which message a line belongs to, from line 1 on, and the number of its part there."""
        index = int(np.searchsorted(self.ends, line))
        place = line - 1 - (int(self.ends[index - 1]) if index else 0)
        return index, self.numbers[index][place] if index in self.numbers else place


def read_values(values: Sequence[bytes | None], form: ValueFormat) -> Lines:
    """Read the value of each message. What cannot be read costs only itself."""
    pieces: list[bytes] = []
    unread: list[tuple[int, PartFault]] = []
    numbers: dict[int, Sequence[int]] = {}
    read = form.read
    for index, value in enumerate(values):
        piece = read(value) if value else _read_absent(value)
        if isinstance(piece, PartlyRead):
            unread += [(index, fault) for fault in piece.faults]
            numbers[index] = piece.numbers
            piece = piece.lines
        pieces.append(piece)
    lines = np.fromiter((piece.count(b"\n") for piece in pieces), np.int64, len(pieces))
    return Lines(b"".join(pieces), np.cumsum(lines), unread, numbers)


def refuse_value(value: bytes | None, reason: str) -> Lines:
    """Return what is read of one message that is refused for this reason."""
    fault = PartFault(0, reason, ValuePart.of_text("", value or b""))
    return Lines(b"", np.zeros(1, np.int64), [(0, fault)], _NO_NUMBERS)


def choose_format(name: str, columns: str) -> ValueFormat:
    """Return how values are read. Raise `BadInputFile` for columns that are not those of a table."""
    if name == "csv":
        layout = read_header(columns.encode(), kinds=("polls",))
        refuse_telling_columns(layout)
        return ValueFormat(layout, read_csv_value, list_csv_parts)
    return ValueFormat(read_header(JSON_HEADER), read_json_value, list_json_parts)


def _read_absent(value: bytes | None) -> PartlyRead:
    """Return what is read of a message without a value, which a tombstone has, or with an empty one."""
    return read_nothing("no_value" if value is None else "empty_value", b"")
