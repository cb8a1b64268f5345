"""Polls are looked up by index even if the statistics do not cover the newest ones."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from services.ingest.write.staged_rows import stage_rows
from shared.db.queries import queries
from tests.integration.ingest.database import Poll, load, load_polls

MONDAY = datetime(2024, 9, 2, tzinfo=UTC)
STORES, MINUTES = 100, 100


def old_polls() -> list[Poll]:
    return [
        (f"{store}", "active", f"{MONDAY + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S} UTC")
        for minute in range(MINUTES)
        for store in range(STORES)
    ]


@pytest.mark.parametrize("place", ["null", "row_number() over ()"], ids=["file", "live call"])
def test_the_newest_polls_are_not_compared_with_each_other(
    database_url: str, tmp_path: Path, place: str
) -> None:
    load_polls(database_url, tmp_path / "polls.csv", old_polls())
    sql = queries("ingest")
    new = {"earliest": MONDAY + timedelta(days=1), "latest": MONDAY + timedelta(days=2), "seq": 2}
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("analyze observation")  # what comes from here on is newer than all it knows
        conn.execute(
            "insert into observation select store_key, observed_at + interval '1 day', true from observation"
        )
        conn.execute(sql["create_incoming"])
        with conn.transaction():
            conn.execute(
                f"insert into incoming select store_key, observed_at, true, true, {place}"
                " from observation where observed_at >= %s".encode(),
                [new["earliest"]],
            )
            plan = "\n".join(
                line for (line,) in conn.execute(b"explain " + sql["merge_incoming"], new, prepare=False)
            )
    compared = plan.partition("CTE compared")[2].partition("CTE inserted")[0]
    for column in ("store_key", "observed_at"):
        assert f"({column} = incoming.{column})" in compared.partition("Index Cond")[2].partition("\n")[0], (
            plan
        )
    assert "Materialize" not in plan


def test_polls_to_correct_are_looked_up_by_index(database_url: str, tmp_path: Path) -> None:
    load_polls(database_url, tmp_path / "polls.csv", old_polls())
    sql = queries("ingest")
    with psycopg.connect(database_url) as conn:
        ((keys, instants),) = conn.execute(
            "select array_agg(store_key), array_agg(observed_at) from observation"
        ).fetchall()
        conn.execute(sql["look_up_polls_by_index"])
        values = {"store_keys": keys, "instants": instants, "seq": 2}
        plan = "\n".join(
            line for (line,) in conn.execute(b"explain " + sql["turn_polls"], values, prepare=False)
        )
    # Once to keep what they were, once to correct them.
    wrong = re.findall(r"store_key = (wrong\w*)\.store_key\) AND \(observed_at = \1\.observed_at\)", plan)
    assert len(wrong) == 2, plan
    assert "Seq Scan" not in plan


def load_hours(database_url: str, file: Path, stores: int) -> None:
    rows = (f"{n},{day},09:00,17:00" for n in range(stores) for day in range(7))
    load(database_url, file, ["store_id,day,start_time_local,end_time_local", *rows])


@pytest.mark.parametrize("named", [3, 300])
@pytest.mark.parametrize("query", ["stored_hours", "remove_hours"])
def test_hours_are_looked_up_by_store_without_statistics(
    database_url: str, tmp_path: Path, named: int, query: str
) -> None:
    """1,000 rows took 17 s against 35,000 stored rows when every pair was compared."""
    load_hours(database_url, tmp_path / "before.csv", 5000)
    keys = list(range(1, named + 1))
    times = {"days": [0] * named, "opens": [9 * 3600] * named, "closes": [17 * 3600] * named}
    with psycopg.connect(database_url, autocommit=True) as conn, conn.transaction(force_rollback=True):
        conn.execute("delete from pg_statistic where starelid = 'business_hours'::regclass")
        explain = b"explain " + queries("ingest")[query]
        values = {"store_keys": keys, **times, "seq": 2}
        plan = "\n".join(line for (line,) in conn.execute(explain, values, prepare=False))
    assert "Seq Scan on business_hours" not in plan, plan


def test_rejected_rows_are_found_without_reading_the_others(database_url: str) -> None:
    sql, import_id = queries("ingest"), UUID("00000000-0000-7000-8000-000000000000")
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("vacuum analyze import_staged")  # as autovacuum leaves it: empty
        with conn.transaction(force_rollback=True):
            stage_rows(conn, import_id, {"store_id": ["a"] * 5000, "line": list(range(5000))})
            stage_rows(conn, import_id, {"store_id": ["b"], "line": [5000], "reason": ["time"]})
            plan = "\n".join(
                line for (line,) in conn.execute(b"explain " + sql["held_ids"], {"ids": [import_id]})
            )
            assert conn.execute(sql["held_ids"], {"ids": [import_id]}).fetchall() == [("b",)]
    assert "import_staged_rejected" in plan, plan


def test_staged_rows_have_no_index_of_their_order(database_url: str) -> None:
    """It was 45 % of the time of their COPY, and no statement looks a row up by its position."""
    with psycopg.connect(database_url) as conn:
        indexes = conn.execute(
            "select indexname from pg_indexes where tablename = 'import_staged'"
        ).fetchall()
    assert indexes == [("import_staged_rejected",)]


def test_zones_with_daylight_saving_time_are_not_sorted(database_url: str) -> None:
    sql, import_id = queries("ingest"), UUID("00000000-0000-7000-8000-000000000000")
    with psycopg.connect(database_url, autocommit=True) as conn, conn.transaction(force_rollback=True):
        zones = ["Europe/Berlin"] * 500
        stage_rows(
            conn,
            import_id,
            {"store_id": [f"{n}" for n in range(500)], "line": list(range(500)), "timezone": zones},
        )
        values = {"ids": [import_id], "fixed": ["Etc/GMT+5"]}
        plan = [line for (line,) in conn.execute(b"explain (analyze) " + sql["fixed_zones"], values)]
    read = [line for line in plan if "rows=500.00" in line]
    assert not read, plan
