"""Texts of many lines at once: each piece is a column of bytes, and pieces lie side by side in the lines.

All digits of a column are computed at once. Must not know what the columns mean.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.uptime.intervals import Int64s

Text = NDArray[np.bytes_]  # padded with zeros, which are left out in the end
# What lies side by side in each line. Bytes are the same in every line.
Pieces = Sequence[Text | bytes]
SECOND_US: Final = 1_000_000


def render_lines(columns: Sequence[Pieces], lines: int) -> bytes:
    """Return the lines of columns, separated by commas."""
    separators = [b","] * (len(columns) - 1) + [b"\n"]
    pieces = [piece for column, after in zip(columns, separators, strict=True) for piece in (*column, after)]
    return bytes(_write_records(pieces, lines).translate(None, b"\0"))


def side_by_side(pieces: Pieces, lines: int) -> Text:
    """Return the texts of several columns as one column."""
    records = _write_records(pieces, lines)
    return np.frombuffer(records, f"S{len(records) // lines}")


def _write_records(pieces: Pieces, lines: int) -> bytearray:
    """Write the lines one after another, each as long as all pieces together."""
    kinds = [f"S{len(piece)}" if isinstance(piece, bytes) else piece.dtype for piece in pieces]
    # The fields of a record lie side by side, and numpy copies each field at once.
    fields = np.dtype([(f"f{n}", kind) for n, kind in enumerate(kinds)])
    # What is the same in every line is copied with the whole line, which takes less than field by field.
    line = b"".join(piece if isinstance(piece, bytes) else bytes(piece.itemsize) for piece in pieces)
    written = bytearray(line) * lines
    records = np.frombuffer(written, fields)
    for number, piece in enumerate(pieces):
        if not isinstance(piece, bytes):
            records[f"f{number}"] = piece
    return written


def texts(values: Iterable[str]) -> Text:
    """Return texts as a column."""
    return np.array([value.encode() for value in values], dtype=np.bytes_)


_THREE_DIGITS: Final = texts(f"{number:03}" for number in range(1000))
_UP_TO_999: Final = texts(str(number) for number in range(1000))
_POINT_AND_THREE: Final = texts(f".{number:03}" for number in range(1000))


def fraction(rest_us: Int64s, last_digits: Text) -> tuple[Text, Text]:
    """Write `.000` and the last three digits."""
    thousands = rest_us // 1000
    return _POINT_AND_THREE.take(thousands), last_digits.take(rest_us - thousands * 1000)


def integers(values: Int64s) -> Pieces:
    """Write non-negative integers."""
    higher = values // 1000
    last = values - higher * 1000
    if not higher.any():
        return [_UP_TO_999.take(last)]
    has_higher = higher > 0
    text = np.where(has_higher, _THREE_DIGITS.take(last), _UP_TO_999.take(last))
    return [*(np.where(has_higher, piece, b"") for piece in integers(higher)), text]


def decimal_seconds(us: Int64s) -> Pieces:
    """Write seconds with six decimals."""
    seconds = us // SECOND_US
    return [*integers(seconds), *fraction(us - seconds * SECOND_US, _THREE_DIGITS)]
