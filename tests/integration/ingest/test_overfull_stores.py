"""A store has a limit of hours, dates and closures, whichever way they come in. Too many hold the store back, and no other."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice, product
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.run import ingest_paths
from shared.store_limits import (
    MAX_CLOSURES,
    MAX_DATED_HOURS,
    MAX_INTERVALS_A_DAY,
    MAX_INTERVALS_A_WEEK,
    MAX_SPECIAL_DATES,
)
from tests.integration.ingest.database import counts, load
from tests.integration.ingest.service import ingest_service, problem
from tests.integration.ingest.test_adjustment_files import CLOSURES, DATED, HOURS, SPECIAL, held
from tests.integration.ingest.test_http_stores import MONDAY

FIRST_DATE = date(2010, 1, 1)
FIRST_START = datetime(2024, 1, 1, tzinfo=UTC)


def rejected(database_url: str) -> dict[str, int]:
    with psycopg.connect(database_url) as conn:
        return dict(conn.execute("select reason, count(*) from import_reject group by 1").fetchall())


def stored_hours(database_url: str) -> dict[str, int]:
    query = "select store_id, count(*) from business_hours join store using (store_key) group by 1"
    with psycopg.connect(database_url) as conn:
        return dict(conn.execute(query).fetchall())


def slots(store: str, number: int, more: str = "") -> Iterator[str]:
    """Rows of different quarters of an hour, and then of minutes."""
    quarters = product(range(7), range(24), range(0, 60, 15))
    minutes = product(range(7), range(24), (1,))
    for day, hour, minute in islice((*quarters, *minutes), number):
        yield f"{store},{day},{hour:02}:{minute:02},{hour:02}:{minute + 14:02}{more}"


def dates(number: int, first: date = FIRST_DATE) -> Iterable[date]:
    return (first + timedelta(days=day) for day in range(number))


def closures(number: int, first: int = 0) -> Iterator[str]:
    for minute in range(first, first + number):
        start = FIRST_START + timedelta(minutes=minute)
        yield f"a,{start.isoformat()},{(start + timedelta(minutes=1)).isoformat()},ignore,,"


def test_a_week_has_a_limit_of_intervals(database_url: str, tmp_path: Path) -> None:
    most = [*slots("a", MAX_INTERVALS_A_WEEK), "b,0,09:00,17:00"]
    assert counts(load(database_url, tmp_path / "most.csv", [HOURS, *most])) == (len(most), 0, 0, 0)
    many = [*slots("a", MAX_INTERVALS_A_WEEK + 1), "b,0,10:00,17:00"]
    result = load(database_url, tmp_path / "many.csv", [HOURS, *many], chunk_bytes=2000)
    assert counts(result) == (1, 0, 0, MAX_INTERVALS_A_WEEK + 1)
    assert rejected(database_url) == {"too_many": MAX_INTERVALS_A_WEEK + 1}
    assert stored_hours(database_url) == {"a": MAX_INTERVALS_A_WEEK, "b": 1}
    listed: Any = (result.quality or {})["stores_unchanged_list"]
    assert [(one["store_id"], one["line"], one["reason"]) for one in listed] == [("a", 2, "too_many")]


def test_a_new_store_with_too_many_is_not_added(database_url: str, tmp_path: Path) -> None:
    load(
        database_url,
        tmp_path / "many.csv",
        [HOURS, *slots("new", MAX_INTERVALS_A_WEEK + 1), "b,0,09:00,17:00"],
    )
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select store_id from store").fetchall() == [("b",)]


def test_repeated_rows_are_no_further_intervals(database_url: str, tmp_path: Path) -> None:
    rows = [*slots("a", MAX_INTERVALS_A_WEEK)]
    result = load(database_url, tmp_path / "hours.csv", [HOURS, *rows, *rows])
    assert counts(result) == (MAX_INTERVALS_A_WEEK, MAX_INTERVALS_A_WEEK, 0, 0)


def test_the_files_of_a_delivery_are_counted_together(database_url: str, tmp_path: Path) -> None:
    rows = [*slots("a", MAX_INTERVALS_A_WEEK + 1)]
    for name, part in (("1", rows[:400]), ("2", [*rows[300:], "b,0,09:00,17:00"])):
        (tmp_path / f"{name}.csv").write_text("\n".join([HOURS, *part]) + "\n")
    results = ingest_paths(database_url, [str(tmp_path)])
    assert [result.rejected for result in results] == [400, MAX_INTERVALS_A_WEEK + 1 - 300]
    assert stored_hours(database_url) == {"b": 1}


def test_each_date_has_its_own_week(database_url: str, tmp_path: Path) -> None:
    rows = [row for day in dates(2) for row in slots("a", MAX_INTERVALS_A_WEEK, f",{day}")]
    assert load(database_url, tmp_path / "dated.csv", [DATED, *rows]).accepted == len(rows)
    many = [*slots("a", MAX_INTERVALS_A_WEEK + 1, ",2010-01-02"), "b,0,09:00,17:00,2010-01-02"]
    assert load(database_url, tmp_path / "many.csv", [DATED, *many]).rejected == MAX_INTERVALS_A_WEEK + 1


def test_dates_of_hours_have_a_limit(database_url: str, tmp_path: Path) -> None:
    rows = [f"{store},0,09:00,17:00,{day}" for store in "ab" for day in dates(MAX_DATED_HOURS)]
    assert load(database_url, tmp_path / "most.csv", [DATED, *rows]).accepted == len(rows)
    again = [row.replace("17:00", "18:00") for row in rows]
    assert load(database_url, tmp_path / "again.csv", [DATED, *again]).corrected == len(rows)
    one_more = ["a,0,09:00,17:00,2009-01-01", "b,0,09:00,17:00,2010-01-01", "c,0,09:00,17:00,2010-01-01"]
    result = load(database_url, tmp_path / "more.csv", [DATED, *one_more])
    assert counts(result) == (1, 0, 1, 1)
    assert rejected(database_url) == {"too_many": 1}


def test_special_dates_have_limits(database_url: str, tmp_path: Path) -> None:
    rows = [f"a,{day},," for day in dates(MAX_SPECIAL_DATES)]
    assert load(database_url, tmp_path / "most.csv", [SPECIAL, *rows]).accepted == len(rows)
    times = [f"{hour:02}:{minute:02},23:00" for hour in range(20) for minute in range(0, 60, 10)]
    busy = [f"b,2024-12-24,{times}" for times in times[: MAX_INTERVALS_A_DAY + 1]]
    more = ["a,2009-01-01,,", *busy, "c,2024-12-24,,"]
    assert counts(load(database_url, tmp_path / "more.csv", [SPECIAL, *more])) == (1, 0, 0, len(busy) + 1)
    assert rejected(database_url) == {"too_many": len(busy) + 1}
    again = [*rows[:1], *busy[1:]]
    assert load(database_url, tmp_path / "again.csv", [SPECIAL, *again]).rejected == 0


def test_closures_have_a_limit(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "hours.csv", [HOURS, "a,0,09:00,17:00"])
    rows = [*closures(MAX_CLOSURES)]
    assert load(database_url, tmp_path / "most.csv", [CLOSURES, *rows]).accepted == MAX_CLOSURES
    one = [*closures(1, MAX_CLOSURES)]
    assert load(database_url, tmp_path / "more.csv", [CLOSURES, *one, rows[0]]).rejected == 2
    assert load(database_url, tmp_path / "again.csv", [CLOSURES, rows[0]]).duplicate == 1
    assert load(database_url, tmp_path / "every.csv", [CLOSURES, one[0].replace("a,", "*,", 1)]).accepted == 1
    assert len(held(database_url, "closures")) == MAX_CLOSURES + 1


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool", scopes=("admin",)) as client:
        yield client


def test_calls_have_the_same_limits(service: TestClient, database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "closures.csv", [CLOSURES, *closures(MAX_CLOSURES)])
    dated = [f"a,0,09:00,17:00,{day}" for day in dates(MAX_DATED_HOURS)]
    load(database_url, tmp_path / "dated.csv", [DATED, *dated])
    path, body = "/v1/stores/a/hours", {"hours": [MONDAY]}
    problem(service.put(path, params={"effective_from": "2009-01-01"}, json=body), 409, "limit_reached")
    assert service.put(path, params={"effective_from": "2010-01-01"}, json=body).is_success
    closure = {"store_id": "a", "starts_at": "2025-01-01T00:00:00Z", "treatment": "ignore"}
    problem(service.post("/v1/closures", json=closure), 409, "limit_reached")
    held_one = {**closure, "starts_at": FIRST_START.isoformat(), "ends_at": "2024-01-01T00:01:00Z"}
    assert service.post("/v1/closures", json=held_one).status_code == 201
