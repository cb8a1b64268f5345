"""Rows in PostgreSQL's binary format: columns to send by COPY, and packed records that queries return.

https://www.postgresql.org/docs/current/sql-copy.html, section Binary Format.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

STORE_AND_INSTANT = np.dtype([("store", ">i4"), ("at_us", ">i8")])
POLL_RECORD = np.dtype([("store", ">i4"), ("at_us", ">i8"), ("active", "?")])
POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01: timestamps count from there
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_SEND_BYTES = 1 << 18

Column = NDArray[np.int16] | NDArray[np.int32] | NDArray[np.int64] | NDArray[np.bool_] | NDArray[np.bytes_]


def encode_instants(at_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return microseconds since 1970 as a column of type timestamptz."""
    return at_us - POSTGRES_EPOCH_US


def decode_instants_us(column: NDArray[Any]) -> NDArray[np.int64]:
    """Return a column of type timestamptz as microseconds since 1970."""
    return column.astype(np.int64) + POSTGRES_EPOCH_US


def decode_records(packed: bytes | None, record: np.dtype[Any]) -> NDArray[Any]:
    """Return fixed-width records that a query packed into one value; none for a null."""
    return np.frombuffer(packed or b"", record)


def encode_rows(*columns: Column) -> memoryview:
    """Encode columns without nulls as the rows of a COPY stream: int16, int32, int64 (also timestamptz), bool, and text or bytes of one length, such as a UUID."""
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for index, column in enumerate(columns):
        fields += [(f"bytes{index}", ">i4"), (f"value{index}", column.dtype.newbyteorder(">").str)]
    rows = np.empty(len(columns[0]), np.dtype(fields))
    rows["count"] = len(columns)
    for index, column in enumerate(columns):
        rows[f"bytes{index}"] = column.dtype.itemsize
        rows[f"value{index}"] = column
    return rows.view(np.uint8).data


def copy_rows(conn: psycopg.Connection, table: str, columns: str, *values: Column) -> None:
    """Copy columns of values into `table (columns)`."""
    send_rows(conn, table, columns.split(), [encode_rows(*values)])


def send_rows(
    conn: psycopg.Connection, table: str, columns: Sequence[str], parts: Iterable[memoryview]
) -> None:
    """Copy encoded rows into `table (columns)`. The server works on each part while the next one is made."""
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with conn.cursor().copy(statement) as copy:
        copy.write(_HEADER)
        for part in parts:
            for start in range(0, len(part), _SEND_BYTES):
                copy.write(part[start : start + _SEND_BYTES])
        copy.write(_TRAILER)
