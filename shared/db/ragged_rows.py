"""Rows with texts of any length and with nulls, in PostgreSQL's binary format, to send by COPY.

`binary_rows.py` is faster for columns of one width without nulls.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from shared.clock import to_us
from shared.db.binary_rows import POSTGRES_EPOCH_US, send_rows

_ROWS_AT_ONCE: Final = 1 << 14  # bounds the memory for the places of all bytes
_NULL: Final = -1
_EPOCH_DAY: Final = date(2000, 1, 1).toordinal()
_JSONB_VERSION: Final = b"\1"


@dataclass(frozen=True)
class RaggedColumn:
    """The bytes of all values, one after the other, and the size of each; a null has the size -1."""

    data: NDArray[np.uint8]
    sizes: NDArray[np.int64]

    @property
    def widths(self) -> NDArray[np.int64]:
        """The bytes that each value takes."""
        return np.maximum(self.sizes, 0)


def copy_ragged(
    conn: psycopg.Connection, table: str, types: Mapping[str, str], columns: Mapping[str, Sequence[Any]]
) -> None:
    """Copy columns of equal length into a table, with types by name. A uuid is given as bytes. Leave out columns without values."""
    filled = [
        (name, _ENCODERS[types[name]], values)
        for name, values in columns.items()
        if any(value is not None for value in values)
    ]
    if not filled:
        return
    # Encoded before the COPY begins: the server ends sessions that stand still in it.
    parts = [
        _encode_rows([encode(values[start : start + _ROWS_AT_ONCE]) for _, encode, values in filled])
        for start in range(0, len(filled[0][2]), _ROWS_AT_ONCE)
    ]
    send_rows(conn, table, [name for name, *_ in filled], parts)


def _encode_rows(columns: Sequence[RaggedColumn]) -> memoryview:
    """Return the rows of a COPY stream: the number of fields, and the size and value of each."""
    row_bytes = 2 + sum((4 + column.widths for column in columns), np.zeros(len(columns[0].sizes), np.int64))
    at = np.cumsum(row_bytes) - row_bytes
    out = np.empty(row_bytes.sum(), np.uint8)
    at = _put_bytes(out, at, _as_bytes(np.full(len(at), len(columns), ">i2")))
    for column in columns:
        at = _put_bytes(out, at, _as_bytes(column.sizes.astype(">i4")))
        at = _put_values(out, at, column)
    return out.data


def _as_bytes(numbers: NDArray[np.signedinteger[Any]]) -> NDArray[np.uint8]:
    return np.reshape(numbers.view(np.uint8), (len(numbers), -1))


def _put_bytes(out: NDArray[np.uint8], at: NDArray[np.int64], values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Write values of one width at these places. Return the places after them."""
    width: int = values.shape[1]
    out[at[:, None] + np.arange(width)] = values
    return at + width


def _put_values(out: NDArray[np.uint8], at: NDArray[np.int64], column: RaggedColumn) -> NDArray[np.int64]:
    widths = column.widths
    if widths.min() == widths.max():
        return _put_bytes(out, at, column.data.reshape(len(at), -1))
    before = np.cumsum(widths) - widths
    out[np.repeat(at - before, widths) + np.arange(len(column.data))] = column.data
    return at + widths


def _encode_bytes(values: Sequence[Any]) -> RaggedColumn:
    sizes = np.array([_NULL if value is None else len(value) for value in values], np.int64)
    return RaggedColumn(np.frombuffer(b"".join(filter(None, values)), np.uint8), sizes)


def _encode_texts(values: Sequence[Any]) -> RaggedColumn:
    return _encode_bytes([None if value is None else value.encode() for value in values])


def _encode_json(values: Sequence[Any]) -> RaggedColumn:
    return _encode_bytes([None if value is None else _JSONB_VERSION + value.encode() for value in values])


def _encode_numbers(values: Sequence[Any], number: str) -> RaggedColumn:
    is_null = np.array([value is None for value in values])
    given = np.array([value for value in values if value is not None] if is_null.any() else values, number)
    return RaggedColumn(given.view(np.uint8), np.where(is_null, _NULL, given.dtype.itemsize))


def _encode_days(values: Sequence[date | None]) -> RaggedColumn:
    return _encode_numbers([None if day is None else day.toordinal() - _EPOCH_DAY for day in values], ">i4")


def _encode_times(values: Sequence[datetime | None]) -> RaggedColumn:
    return _encode_numbers([None if at is None else to_us(at) - POSTGRES_EPOCH_US for at in values], ">i8")


_ENCODERS: Final[Mapping[str, Callable[[Sequence[Any]], RaggedColumn]]] = {
    "bytea": _encode_bytes,
    "text": _encode_texts,
    "jsonb": _encode_json,
    "uuid": _encode_bytes,
    "smallint": lambda values: _encode_numbers(values, ">i2"),
    "integer": lambda values: _encode_numbers(values, ">i4"),
    "bigint": lambda values: _encode_numbers(values, ">i8"),
    "date": _encode_days,
    "timestamptz": _encode_times,
}
