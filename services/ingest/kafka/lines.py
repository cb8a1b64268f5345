"""Turns the values of messages into lines of a table of polls, so that messages are read by the rules for files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.ingest.kafka.json_lines import JSON_HEADER, read_json_value
from services.ingest.parse.encodings import is_utf8
from services.ingest.parse.header import Layout, read_header
from services.ingest.parse.other_columns import refuse_telling_columns

ReadValue = Callable[[bytes], bytes | str]
NO_VALUE = "message"


@dataclass(frozen=True)
class Lines:
    """The lines of some messages, and the messages that have none, with the reason.

    `ends` has the number of lines up to the end of each message.
    """

    data: bytes
    ends: NDArray[np.int64]
    unread: Sequence[tuple[int, str]]

    def find_message(self, line: int) -> int:
        """Return which message a line belongs to, from 1 on."""
        return int(np.searchsorted(self.ends, line))


def read_values(values: Sequence[bytes | None], read: ReadValue) -> Lines:
    """Read the value of each message. A value that cannot be read costs only itself."""
    pieces: list[bytes] = []
    unread: list[tuple[int, str]] = []
    for index, value in enumerate(values):
        piece = read(value) if value else NO_VALUE
        if isinstance(piece, str):
            unread.append((index, piece))
            piece = b""
        pieces.append(piece)
    lines = np.fromiter((piece.count(b"\n") for piece in pieces), np.int64, len(pieces))
    return Lines(b"".join(pieces), np.cumsum(lines), unread)


def no_lines(reason: str) -> Lines:
    """Return what is read of one message that is refused for this reason."""
    return Lines(b"", np.zeros(1, np.int64), [(0, reason)])


def choose_format(name: str, columns: str) -> tuple[Layout, ReadValue]:
    """Return the layout of the lines and the reader of values. Raise `BadInputFile` for columns that are not those of polls."""
    if name == "csv":
        layout = read_header(columns.encode())
        refuse_telling_columns(layout)
        return layout, read_csv_value
    return read_header(JSON_HEADER), read_json_value


def read_csv_value(value: bytes) -> bytes | str:
    """Return the rows of a value, each ended by a newline, or why it cannot be read."""
    if b"\r" in value:
        value = value.replace(b"\r\n", b"\n").removesuffix(b"\r")
        if b"\r" in value:
            return "control_character"
    if not is_utf8(value):
        return "encoding"
    return value if value.endswith(b"\n") else value + b"\n"
