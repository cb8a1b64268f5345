"""The standing job: skips what cannot have changed, and outlives kills, lost leases, two schedulers and new stores."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dramatiq.brokers.redis import RedisBroker
from fastapi.testclient import TestClient
from psycopg_pool import ConnectionPool

from services.ingest.run import ingest_paths
from services.scheduler.live_state import keep_live_state
from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from shared.metrics.registry import LIVE_BATCHES
from shared.reports.claim import claim_next
from shared.reports.due import bury_poison, expire_leases
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger
from tests.integration.live.live_fleet import STATES, change_polls, load_live_fleet

Refresh = Callable[[], int]
Step = Callable[[], int]
DUE = "update report_batch set due_since = now(), due_at = now() where report_id in (select id from report where kind = 'now')"


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        load_live_fleet(database_url, conn)
        yield conn


@pytest.fixture
def step(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> Step:
    return lambda: keep_live_state(pool, broker, settings)


def states(conn: psycopg.Connection) -> dict[str, str]:
    return dict(conn.execute("select store_id, state from store_now join store using (store_key)").fetchall())


def one(conn: psycopg.Connection, statement: str) -> Any:
    return conn.execute(statement.encode()).fetchone()


def counted(result: str) -> float:
    return float(LIVE_BATCHES.labels(result)._value.get())


def test_an_idle_refresh_needs_no_worker(
    conn: psycopg.Connection, refresh: Refresh, step: Step, worker: WorkerContext
) -> None:
    assert refresh() == 3
    assert states(conn) == STATES
    before = one(conn, "select array_agg(xmin::text) from store_now")
    refreshed = one(conn, "select min(refreshed_at) from now_batch")
    skipped = counted("skipped")
    conn.execute(DUE)
    assert step() == 0
    assert counted("skipped") == skipped + 3
    assert compute_next(worker) is None
    assert one(conn, "select min(refreshed_at) from now_batch") > refreshed
    assert one(conn, "select array_agg(xmin::text) from store_now") == before
    # Not due again before the next refresh.
    assert step() == 0


def test_rows_that_are_equal_are_not_written(conn: psycopg.Connection, refresh: Refresh) -> None:
    refresh()
    before: dict[int, str] = dict(conn.execute("select store_key, xmin::text from store_now").fetchall())
    change_polls(conn, "up", active=True)
    assert refresh() == 3, "a change without an entry in the ledger touches every batch"
    after: dict[int, str] = dict(conn.execute("select store_key, xmin::text from store_now").fetchall())
    (key,) = one(conn, "select store_key from store where store_id = 'up'")
    assert {each for each in after if after[each] != before[each]} == {key}


def test_only_batches_with_changed_stores_are_computed(
    conn: psycopg.Connection, refresh: Refresh, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "polls.csv").write_text("store_id,status,timestamp_utc\nup,active,2020-01-01 00:00:00 UTC\n")
    ingest_paths(database_url, [str(tmp_path)])
    refresh()
    (recent,) = one(conn, "select to_char(now() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')")
    (tmp_path / "polls.csv").write_text(f"store_id,status,timestamp_utc\nup,inactive,{recent} UTC\n")
    ingest_paths(database_url, [str(tmp_path)])
    computed, unchanged = counted("computed"), counted("unchanged")
    assert refresh() == 3
    assert (counted("computed") - computed, counted("unchanged") - unchanged) == (1, 2)
    assert states(conn)["up"] == "down"


def test_new_data_brings_the_next_refresh_forward(
    conn: psycopg.Connection, refresh: Refresh, step: Step, worker: WorkerContext
) -> None:
    refresh()
    change_polls(conn, "up", active=False)
    conn.execute("update now_batch set took = interval '1 hour'")
    assert step() == 0, "a refresh has just been"
    conn.execute("update now_batch set refreshed_at = refreshed_at - interval '16 seconds'")
    assert step() == 3, "a quarter of the period is enough, whatever a refresh takes"
    assert compute_next(worker)
    assert step() == 0, "their messages are out"


def test_a_large_load_is_not_followed_before_its_weeks_are_indexed(
    conn: psycopg.Connection, refresh: Refresh, step: Step
) -> None:
    """Each of its chunks is news, and each refresh would read the weeks that it fills."""
    refresh()
    change_polls(conn, "up", active=False)
    conn.execute("update now_batch set refreshed_at = refreshed_at - interval '16 seconds'")
    (week,) = one(conn, "select partition_name from ensure_observation_partition('2020-01-01 00:00Z', false)")
    assert step() == 0
    conn.execute("select ensure_observation_key(%s)", [week])
    assert step() == 3


def test_a_refresh_during_a_large_load_searches_for_no_old_poll(
    conn: psycopg.Connection, refresh: Refresh
) -> None:
    """The last refresh says which one was the last. The rows hold for no time, so the next refresh searches again."""
    refresh()
    (week,) = one(conn, "select partition_name from ensure_observation_partition('2020-01-01 00:00Z', false)")
    of_silent = (
        "select changes_at > refreshed_at, last_poll_at from now_batch join store_now using (batch_no)"
        " join store using (store_key) where store_id = 'silent'"
    )
    holds, last_poll = one(conn, of_silent)
    assert holds
    conn.execute("update now_batch set made_by = ''")
    assert refresh() == 3
    assert states(conn) == STATES
    assert one(conn, of_silent) == (False, last_poll)
    conn.execute("select ensure_observation_key(%s)", [week])
    assert refresh() > 0
    assert one(conn, of_silent) == (True, last_poll)


@pytest.mark.parametrize(("took", "pause_s"), [("0 s", 1), ("1 s", 12), ("2 s", 15), ("null", 15)], ids=str)
def test_live_state_takes_a_fifth_of_a_thread(
    conn: psycopg.Connection, refresh: Refresh, step: Step, took: str, pause_s: int
) -> None:
    """Three batches took so long each. Null: a worker of the previous release refreshed them."""
    refresh()
    assert one(
        conn, "select bool_and(took > interval '0 s' and took < interval '1 minute') from now_batch"
    ) == (True,)
    change_polls(conn, "up", active=False)
    given = "null" if took == "null" else f"interval '{took}'"
    conn.execute(f"update now_batch set took = {given}".encode())
    assert one(conn, "select now_pause(interval '15 s')") == (timedelta(seconds=pause_s),)
    conn.execute("update now_batch set refreshed_at = now() - %s", [timedelta(seconds=pause_s)])
    assert step() == 3


def test_a_lost_lease_and_two_schedulers(
    conn: psycopg.Connection, refresh: Refresh, step: Step, worker: WorkerContext
) -> None:
    refresh()
    change_polls(conn, "down", active=True)
    conn.execute(DUE)
    dead = claim_next(conn, worker.terms)
    assert dead is not None
    assert dead.batch.kind == "now"
    step()
    step()
    assert one(conn, "select count(*) from report where kind = 'now'") == (1,)
    conn.execute("update report_batch set lease_until = now() where state = 'leased'")
    assert expire_leases(conn) == 1
    batches = 0
    while compute_next(worker) is not None:
        batches += 1
    assert batches == 3
    assert states(conn)["down"] == "up"
    assert one(conn, "select count(*) from now_change") == (1,)


def test_a_batch_that_uses_up_its_claims_rests_alone(
    conn: psycopg.Connection, refresh: Refresh, step: Step, worker: WorkerContext
) -> None:
    refresh()
    change_polls(conn, "down", active=True)
    conn.execute(DUE)
    conn.execute("update report_batch set burnt = 5 where batch_no = 0")
    assert bury_poison(conn, 5) == []
    step()
    while compute_next(worker) is not None:
        pass
    assert one(conn, "select state, burnt, due_since > now() from report_batch where batch_no = 0") == (
        "pending",
        0,
        True,
    )
    assert one(conn, "select state from report where kind = 'now'") == ("running",)


def test_new_stores_are_in_a_batch_and_too_many_divide_it_again(
    conn: psycopg.Connection, refresh: Refresh, step: Step, database_url: str
) -> None:
    refresh()
    load_fleet(database_url, {f"more-{n}": Store() for n in range(2)})
    assert refresh() == 3
    assert len(states(conn)) == len(STATES) + 2
    load_fleet(database_url, {f"more-{n}": Store() for n in range(2, 9)})
    refresh()
    step()
    assert refresh() == 7
    assert len(states(conn)) == len(STATES) + 9
    assert one(conn, "select count(*) from report where kind = 'now'") == (1,)


def test_reports_go_first_and_facts_last(
    conn: psycopg.Connection, step: Step, worker: WorkerContext, database_url: str, api: TestClient
) -> None:
    api.post("/v1/facts", json={"first_day": "2024-10-08", "last_day": "2024-10-14"})
    step()
    conn.execute(DUE)
    trigger(database_url, batch_stores=4000)
    kinds = []
    while (lease := claim_next(conn, worker.terms)) is not None:
        kinds.append(lease.batch.kind)
    assert kinds[:4] == ["report", "now", "now", "now"]
    assert set(kinds[4:]) == {"facts"}
    assert api.get("/v1/reports").json()["reports"][0]["state"] == "running"
    assert len(api.get("/v1/reports").json()["reports"]) == 1


def test_a_store_that_cannot_be_computed_costs_only_itself(
    conn: psycopg.Connection, refresh: Refresh, api: TestClient
) -> None:
    conn.execute("update store set timezone = 'Mars/Olympus' where store_id = 'down'")
    refresh()
    assert states(conn) == STATES | {"down": "unknown"}
    assert "Mars/Olympus" in api.get("/v1/stores/down/now").json()["fault"]


def test_it_can_be_switched_off(
    conn: psycopg.Connection,
    refresh: Refresh,
    pool: ConnectionPool,
    broker: RedisBroker,
    settings: Settings,
) -> None:
    refresh()
    assert keep_live_state(pool, broker, settings.model_copy(update={"now_every_s": 0.0})) == 0
    assert one(conn, "select count(*) from report") == (0,)
    assert one(conn, "select count(*) from now_batch") == (0,)
