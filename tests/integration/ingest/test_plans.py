"""Polls are looked up by index even if the statistics do not cover the newest ones."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from services.ingest.parse.parsed import Columns
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


def explain_hours(
    database_url: str, stores: int, closes: str, *, query: str = "apply_hours", statistics: bool = True
) -> str:
    """Return the plan of a step that brings hours of the first stores. `statistics`: those of the stored hours."""
    sql, import_id = queries("ingest"), "00000000-0000-7000-8000-000000000000"
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("vacuum analyze import_staged")  # as autovacuum leaves it: empty
        conn.execute("analyze business_hours")
        conn.execute("set work_mem = '4MB'")
        with conn.transaction(force_rollback=True):
            if not statistics:
                conn.execute("delete from pg_statistic where starelid = 'business_hours'::regclass")
            closes_s = int(closes[:2]) * 3600
            rows = 7 * stores
            columns: Columns = {
                "store_id": [str(row // 7) for row in range(rows)],
                "line": list(range(rows)),
                "day_number": [row % 7 for row in range(rows)],
                "opens": [9 * 3600] * rows,
                "closes": [closes_s] * rows,
            }
            stage_rows(conn, UUID(import_id), columns)
            conn.execute(sql["create_wanted_hours"])
            conn.execute(sql["prepare_hours"], {"ids": [import_id], "first_days": [0]})
            conn.execute(sql["index_wanted_hours"])
            conn.execute(sql["analyze_wanted_hours"])
            explain = b"explain (analyze, timing off) " + sql[query]
            values = {"after": 0, "upto": 2**31 - 1, "seq": 2}
            return "\n".join(line for (line,) in conn.execute(explain, values, prepare=False))


def load_hours(database_url: str, file: Path, stores: int) -> None:
    rows = (f"{n},{day},09:00,17:00" for n in range(stores) for day in range(7))
    load(database_url, file, ["store_id,day,start_time_local,end_time_local", *rows])


@pytest.mark.parametrize("named", [3, 300])
def test_hours_are_compared_by_store_whatever_the_statistics_of_the_staging_table(
    database_url: str, tmp_path: Path, named: int
) -> None:
    """1,000 rows took 17 s against 35,000 stored rows when every pair was compared."""
    load_hours(database_url, tmp_path / "before.csv", 1000)
    plan = explain_hours(database_url, named, "18:00")
    compared = sum(map(int, re.findall(r"Rows Removed by Join Filter: (\d+)", plan)))
    assert compared <= 100 * named, plan
    assert f"rows={7 * named}.00" in plan, plan


def test_the_same_hours_are_compared_in_memory_without_statistics_of_the_stored_ones(
    database_url: str, tmp_path: Path
) -> None:
    """A comparison of rows in a hash table, planned for 160 times as many rows as there were, went through files."""
    load_hours(database_url, tmp_path / "before.csv", 3000)
    plan = explain_hours(database_url, 3000, "17:00", statistics=False)
    assert "Disk" not in plan, plan
    different = re.findall(r"CTE Scan on (?:changed|fresh|gone) .*actual rows=(\S+)", plan)
    assert set(map(float, different)) == {0}, plan


def test_hours_of_new_stores_are_inserted_without_a_comparison_or_a_sort(
    database_url: str, tmp_path: Path
) -> None:
    load(database_url, tmp_path / "zones.csv", ["store_id,timezone_str", *(f"{n},UTC" for n in range(300))])
    plan = explain_hours(database_url, 300, "18:00", query="add_hours")
    assert "Insert on business_hours" in plan, plan
    assert not re.findall(r"Sort|(?:Scan|Only Scan) .*on business_hours", plan), plan


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
