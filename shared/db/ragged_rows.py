"""Rows with texts of any length and with nulls, in PostgreSQL's binary format, to send by COPY.

`binary_rows.py` is faster for columns of one width without nulls.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from shared.clock import to_us
from shared.columns import NULL_SIZE, RaggedColumn, RepeatedValues, ValueColumn
from shared.db.binary_rows import POSTGRES_EPOCH_US, send_rows

_ROWS_AT_ONCE: Final = 1 << 14  # bounds the memory for the places of all bytes
_EPOCH_DAY: Final = date(2000, 1, 1).toordinal()
_JSONB_VERSION: Final = b"\1"
_Encoder = Callable[[Any], RaggedColumn]


def copy_ragged(
    conn: psycopg.Connection, table: str, types: Mapping[str, str], columns: Mapping[str, ValueColumn]
) -> None:
    """Copy columns of equal length into a table, with types by name. A uuid is given as bytes. Leave out columns without values."""
    rows = max(map(len, columns.values()))
    filled = {name: values for name, values in columns.items() if _has_values(values)}
    if not filled or not rows:
        return
    # Encoded before the COPY begins: the server ends sessions that stand still in it.
    parts = [
        _encode_rows(
            [
                _encode_values(values, _ENCODERS[types[name]], start, min(start + _ROWS_AT_ONCE, rows))
                for name, values in filled.items()
            ]
        )
        for start in range(0, rows, _ROWS_AT_ONCE)
    ]
    send_rows(conn, table, list(filled), parts)


def _has_values(values: ValueColumn) -> bool:
    """Return False if no row has a value, and maybe if one has."""
    if isinstance(values, RepeatedValues):
        values = values.values
    if isinstance(values, RaggedColumn | np.ndarray):
        return True
    return any(value is not None for value in values)


def _encode_values(values: ValueColumn, encode: _Encoder, start: int, end: int) -> RaggedColumn:
    if isinstance(values, RaggedColumn):
        return values.cut(start, end)
    if isinstance(values, RepeatedValues):
        return encode(values.values).pick(values.places[start:end])
    return encode(values[start:end])


def _encode_rows(columns: Sequence[RaggedColumn]) -> memoryview:
    """Return the rows of a COPY stream: the number of fields, and the size and value of each."""
    rows = len(columns[0])
    fixed = [_as_bytes(np.full(rows, len(columns), ">i2"))]
    parts: list[RaggedColumn] = []
    for column in columns:
        fixed.append(_as_bytes(column.sizes.astype(">i4")))
        widths = column.widths
        if widths.min() == widths.max():
            fixed.append(column.data.reshape(rows, -1))
        else:
            parts += [_unite_fixed(fixed), column]
            fixed.clear()
    return _interleave([*parts, _unite_fixed(fixed)] if fixed else parts)


def _unite_fixed(fields: Sequence[NDArray[np.uint8]]) -> RaggedColumn:
    """Return one column of fields that have one width each, next to each other."""
    rows = np.concatenate(fields, axis=1)
    return RaggedColumn(rows.ravel(), np.full(len(rows), rows.shape[1]))


def _interleave(parts: Sequence[RaggedColumn]) -> memoryview:
    """Return the parts of the first row, then those of the second, and so on."""
    widths = np.stack([part.widths for part in parts], axis=1)
    part_of_byte = np.repeat(np.tile(np.arange(len(parts), dtype=np.uint8), len(widths)), widths.ravel())
    out = np.empty(len(part_of_byte), np.uint8)
    for number, part in enumerate(parts):
        # Measured: a mask takes half the time of an index per byte.
        out[part_of_byte == number] = part.data
    return out.data


def _as_bytes(numbers: NDArray[np.signedinteger[Any]]) -> NDArray[np.uint8]:
    return np.reshape(numbers.view(np.uint8), (len(numbers), -1))


def _encode_texts(values: Sequence[Any]) -> RaggedColumn:
    return RaggedColumn.join([None if value is None else value.encode() for value in values])


def _encode_json(values: Sequence[Any]) -> RaggedColumn:
    return RaggedColumn.join([None if value is None else _JSONB_VERSION + value.encode() for value in values])


def _encode_numbers(values: Any, number: str) -> RaggedColumn:
    if isinstance(values, np.ndarray):
        given = values.astype(number)
        return RaggedColumn(given.view(np.uint8), np.full(len(given), given.dtype.itemsize))
    is_null = np.array([value is None for value in values])
    given = np.array([value for value in values if value is not None] if is_null.any() else values, number)
    return RaggedColumn(given.view(np.uint8), np.where(is_null, NULL_SIZE, given.dtype.itemsize))


def _encode_days(values: Sequence[date | None]) -> RaggedColumn:
    return _encode_numbers([None if day is None else day.toordinal() - _EPOCH_DAY for day in values], ">i4")


def _encode_times(values: Sequence[datetime | None]) -> RaggedColumn:
    return _encode_numbers([None if at is None else to_us(at) - POSTGRES_EPOCH_US for at in values], ">i8")


_ENCODERS: Final[Mapping[str, _Encoder]] = {
    "bytea": RaggedColumn.join,
    "text": _encode_texts,
    "jsonb": _encode_json,
    "uuid": RaggedColumn.join,
    "smallint": lambda values: _encode_numbers(values, ">i2"),
    "integer": lambda values: _encode_numbers(values, ">i4"),
    "bigint": lambda values: _encode_numbers(values, ">i8"),
    "date": _encode_days,
    "timestamptz": _encode_times,
}
