"""Builds the rows of PostgreSQL's binary COPY format from columns, and sends them. Knows no table's meaning.

https://www.postgresql.org/docs/current/sql-copy.html, section Binary Format.
"""

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01, of which its timestamps count
_SEND_BYTES = 1 << 18

Column = NDArray[np.int32] | NDArray[np.int64] | NDArray[np.bool_]


def instants(at_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Microseconds since 1970 as a column of type timestamptz."""
    return at_us - _POSTGRES_EPOCH_US


def encode(*columns: Column) -> bytes:
    """Columns of int32, int64 (also timestamptz) and bool, without nulls, as one COPY stream."""
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for index, column in enumerate(columns):
        fields += [(f"bytes{index}", ">i4"), (f"value{index}", column.dtype.newbyteorder(">").str)]
    rows = np.empty(len(columns[0]), np.dtype(fields))
    rows["count"] = len(columns)
    for index, column in enumerate(columns):
        rows[f"bytes{index}"] = column.dtype.itemsize
        rows[f"value{index}"] = column
    return b"".join((_HEADER, rows.tobytes(), _TRAILER))


def copy_into(conn: psycopg.Connection, table: str, columns: str, stream: bytes) -> None:
    """Send an encoded stream into `table (columns)`."""
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns.split()))
    )
    view = memoryview(stream)
    with conn.cursor().copy(statement) as copy:
        for start in range(0, len(view), _SEND_BYTES):
            copy.write(view[start : start + _SEND_BYTES])
