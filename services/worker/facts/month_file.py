"""Write a month of daily facts as Parquet, holding the rows of some stores at a time. Imports pyarrow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import IO, Any, Final, cast

import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from services.worker.lease_renewal import LeaseRenewal
from services.worker.report_files import LeaseLost
from shared.db.queries import queries
from shared.storage import Storage, StoredObject

_SQL = queries("facts_export")
# A row group: 62,000 rows of 31 days.
_STORES_AT_ONCE: Final = 2_000
_US: Final = (
    *("scheduled_us", "excluded_us", "open_us", "up_us", "down_us", "unknown_us", "up_min_us", "up_max_us"),
)
# The columns of the view reporting.store_days, with their units.
_UNITS: Final[Mapping[str, tuple[pa.DataType, str]]] = {
    "policy": (pa.string(), "text"),
    "store_id": (pa.string(), "text"),
    "local_date": (pa.date32(), "date"),
    **dict.fromkeys(_US, (pa.int64(), "microseconds")),
    "polls": (pa.int32(), "polls"),
    "outages": (pa.int32(), "outages"),
    "computed_seq": (pa.int64(), "ledger number"),
}
_SCHEMA: Final = pa.schema(
    [pa.field(name, kind, nullable=False, metadata={"unit": unit}) for name, (kind, unit) in _UNITS.items()]
)
CONTENT_TYPE: Final = "application/vnd.apache.parquet"


@dataclass
class MonthContents:
    """What the file of a month has; `days` and `computed_seq` are the smallest and largest. None: no rows."""

    rows: int = 0
    days: tuple[date, date] | None = None
    computed_seq: tuple[int, int] | None = None

    def add(self, table: pa.Table) -> None:
        """Count the rows of a group."""
        self.rows += len(table)
        self.days = _widen(self.days, table["local_date"])
        self.computed_seq = _widen(self.computed_seq, table["computed_seq"])


def _widen(known: tuple[Any, Any] | None, column: pa.ChunkedArray) -> tuple[Any, Any]:
    found = pa.compute.min_max(column).as_py()
    low, high = known or (found["min"], found["max"])
    return min(low, found["min"]), max(high, found["max"])


def columns_with_units() -> dict[str, dict[str, str]]:
    """Return the type and unit of each column, as the manifest has them."""
    return {name: {"type": str(kind), "unit": unit} for name, (kind, unit) in _UNITS.items()}


def write_month(
    conn: psycopg.Connection,
    storage: Storage,
    key: str,
    asked: tuple[str, date],
    renewal: LeaseRenewal,
) -> tuple[StoredObject, MonthContents]:
    """Write the facts of a policy and month as they are in the caller's snapshot, by store id and date.

    The object appears, or replaces the one before, only when it is complete. Raises `LeaseLost` before that. The same facts
    give the same bytes.
    """
    contents = MonthContents()
    with storage.writing(key, CONTENT_TYPE) as target:
        schema = _SCHEMA.with_metadata({"uptill.policy": asked[0], "uptill.month": f"{asked[1]:%Y-%m}"})
        with pq.ParquetWriter(cast("IO[bytes]", target), schema, compression="zstd") as file:
            for table in _read_tables(conn, *asked):
                _require(renewal)
                with renewal.renewing():
                    file.write_table(table.cast(schema))
                contents.add(table)
        _require(renewal)
    return target.stored(), contents


def _require(renewal: LeaseRenewal) -> None:
    if not renewal.is_held():
        raise LeaseLost


def _read_tables(conn: psycopg.Connection, policy: str, month: date) -> Iterator[pa.Table]:
    """Yield the rows of some stores at a time. Not empty."""
    keys = [key for (key,) in conn.execute(_SQL["every_store"])]
    options = pa.csv.ConvertOptions(
        column_types={name: kind for name, (kind, _) in _UNITS.items()}, strings_can_be_null=False
    )
    for first in range(0, len(keys), _STORES_AT_ONCE):
        asked = {"policy": policy, "month": month, "store_keys": keys[first : first + _STORES_AT_ONCE]}
        with conn.cursor() as cursor, cursor.copy(_SQL["copy_rows"], asked) as copy:
            rows = b"".join(copy)
        if rows:
            yield pa.csv.read_csv(
                pa.BufferReader(rows),
                pa.csv.ReadOptions(column_names=list(_UNITS), use_threads=False),
                pa.csv.ParseOptions(newlines_in_values=True),
                options,
            )
