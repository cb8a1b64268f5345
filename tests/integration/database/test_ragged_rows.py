"""Rows with texts and nulls that are sent in the binary format, next to what psycopg sends one by one."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.columns import RaggedColumn, RepeatedValues, ValueColumn
from shared.db import ragged_rows
from shared.db.ragged_rows import copy_ragged

_TYPES: Final = {
    "id": "uuid",
    "name": "text",
    "raw": "bytea",
    "day": "smallint",
    "second": "integer",
    "place": "bigint",
    "date": "date",
    "at": "timestamptz",
    "details": "jsonb",
}
_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_ROWS = st.lists(
    st.tuples(
        st.uuids(),
        st.none() | _TEXTS,
        st.none() | st.binary(max_size=50),
        st.none() | st.integers(-(2**15), 2**15 - 1),
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.dates(date(1900, 1, 1), date(2200, 1, 1)),
        st.none() | _INSTANTS,
        st.none() | st.sampled_from(['{"a": "ü"}', "[]", '"x"']),
    ),
    max_size=12,
)
_Row = tuple[UUID, *tuple[object, ...]]


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    columns = ", ".join(f"{name} {kind}" for name, kind in _TYPES.items())
    with psycopg.connect(database_url) as conn:
        for table in ("ours", "theirs"):
            conn.execute(f"create temporary table {table} (place_no serial, {columns})".encode())
        yield conn


def read(conn: psycopg.Connection, table: str) -> list[tuple[object, ...]]:
    names = ", ".join(_TYPES)
    return conn.execute(f"select {names} from {table} order by place_no".encode()).fetchall()


def keep(name: str, values: Sequence[Any]) -> ValueColumn:
    """Return the values as they are."""
    del name
    return values


def unite(name: str, values: Sequence[Any]) -> ValueColumn:
    """Return the values in as few objects as possible."""
    if name == "raw":
        return RaggedColumn.join(values)
    if name == "second" and None not in values:
        return np.array(values, np.int64)
    distinct = list(dict.fromkeys(values))
    return RepeatedValues(distinct, np.array([distinct.index(value) for value in values], np.int64))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_ROWS, at_once=st.integers(1, 15))
@pytest.mark.parametrize("form", [keep, unite], ids=["values", "columns"])
def test_rows_arrive_as_if_sent_one_by_one(
    conn: psycopg.Connection,
    form: Callable[[str, Sequence[Any]], ValueColumn],
    rows: list[_Row],
    at_once: int,
) -> None:
    conn.execute("truncate ours, theirs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragged_rows, "_ROWS_AT_ONCE", at_once)
        columns = dict(zip(_TYPES, zip(*rows, strict=True), strict=False))
        columns["id"] = tuple(row[0].bytes for row in rows)
        copy_ragged(conn, "ours", _TYPES, {name: form(name, column) for name, column in columns.items()})
    names = ", ".join(_TYPES)
    with conn.cursor().copy(f"copy theirs ({names}) from stdin".encode()) as copy:
        for row in rows:
            copy.write_row(row)
    assert read(conn, "ours") == read(conn, "theirs")
    assert len(read(conn, "ours")) == len(rows)
