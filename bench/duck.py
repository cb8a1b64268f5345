"""The yardstick of the report: DuckDB in this process, two threads, its own native tables, the policy `carry` in SQL."""

import csv
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np
import psycopg

_QUERY = Path(__file__).with_name("carry.sql").read_text()
_THREADS = 2
_TABLES = {
    "store": (
        "store_key integer, store_id varchar, timezone varchar",
        """select store_key, store_id, coalesce(timezone, 'America/Chicago') from store
           where polled_since_seq is not null""",
    ),
    "hours": (
        "store_key integer, day_of_week tinyint, opens integer, closes integer",
        """select store_key, day_of_week, opens, closes from business_hours join store using (store_key)
           where polled_since_seq is not null""",
    ),
    "observation": (
        "store_key integer, observed_at timestamp, is_active boolean",
        "select store_key, observed_at at time zone 'UTC', is_active from observation order by observed_at",
    ),
}
_UNITS_US = {"hour": 60_000_000, "day": 3_600_000_000, "week": 3_600_000_000}


class Duck:
    """DuckDB with the data loaded. `file` keeps its tables between runs."""

    def __init__(self, file: Path, database_url: str) -> None:
        is_new = not file.exists()
        self._conn = duckdb.connect(str(file))
        self._conn.execute(f"set threads = {_THREADS}; set timezone = 'UTC'")
        if is_new:
            self._copy_from(database_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._conn.close()

    def report(self, as_of: datetime) -> tuple[float, Mapping[str, Any]]:
        """Return the seconds it took, and the columns in microseconds."""
        began = time.perf_counter()
        self._conn.execute("set variable as_of = $1::timestamp", [as_of.replace(tzinfo=None)])
        columns = self._conn.execute(_QUERY).fetchnumpy()
        return time.perf_counter() - began, columns

    def assert_equal(self, as_of: datetime, report: bytes) -> None:
        """Fail unless a finished report of the policy `carry` shows these numbers, each rounded up or down."""
        _, columns = self.report(as_of)
        header, *rows = csv.reader(report.decode().splitlines())
        assert header == list(columns), "other columns"
        ids, *ours = zip(*rows, strict=True)
        assert list(ids) == columns["store_id"].tolist(), "other stores"
        for name, texts in zip(header[1:], ours, strict=True):
            unit_us = _UNITS_US[name.rpartition("_")[2]]
            printed = np.array([text.replace(".", "") for text in texts], dtype=np.int64)
            wrong = np.abs(printed * unit_us - columns[name].astype(np.int64) * 10_000) >= unit_us
            assert not wrong.any(), f"{name} of {np.array(ids)[wrong]} differs from DuckDB"

    def add_polls(self, file: Path) -> None:
        """Add the polls of a CSV file of known stores."""
        self._conn.execute(
            """insert into observation
               select store_key, replace(timestamp_utc, ' UTC', '')::timestamp, status = 'active'
               from read_csv($1, all_varchar = true) join store using (store_id)""",
            [str(file)],
        )

    def _copy_from(self, database_url: str) -> None:
        """Load the data from Postgres, through CSV files."""
        with tempfile.TemporaryDirectory() as folder, psycopg.connect(database_url) as conn:
            for table, (columns, query) in _TABLES.items():
                file = Path(folder, f"{table}.csv")
                with (
                    file.open("wb") as rows,
                    conn.cursor().copy(f"copy ({query}) to stdout csv".encode()) as copy,
                ):
                    for block in copy:
                        rows.write(block)
                self._conn.execute(f"create table {table} ({columns})")
                self._conn.execute(f"copy {table} from '{file}' (format csv, header false)")
