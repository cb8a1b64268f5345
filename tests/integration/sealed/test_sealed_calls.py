"""Calls of the API, facts and diagnostics answer the same from partitions and from files."""

from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.worker.context import WorkerContext
from shared.diagnostics.find import find_all
from tests.fixtures.in_process import problem
from tests.fixtures.sealing import open_all, seal, sealed_weeks, stored_polls
from tests.integration.facts.test_facts_walk import build, stored
from tests.integration.reports.test_adjusted_report import NOW, Fleet
from tests.integration.reports.test_explanation import change_everything, load_with_calendars, make_report

DAYS = (date(2024, 10, 25), date(2024, 11, 2))
POLICIES = ("classic", "slots-15m", "carry")


@pytest.fixture
def fleet(database_url: str, tmp_path: Path) -> Fleet:
    """Stores, before anything was changed."""
    fleet = Fleet(7, stores=5)
    (tmp_path / "first").mkdir()
    load_with_calendars(database_url, fleet, tmp_path / "first")
    return fleet


def answers(api: TestClient, fleet: Fleet, reports: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """The bodies of every call that reads polls."""
    found = {}

    def get(path: str, **query: str | list[str]) -> None:
        answer = api.get(path, params=query)
        assert answer.status_code == 200, (path, answer.text)
        found[f"{path} {query}"] = answer.json()

    get("/v1/stores")
    for store in fleet.stores:
        get(f"/v1/stores/{store}")
        for policy in POLICIES:
            for window in ("last_day", "P30D"):
                get(f"/v1/stores/{store}/timeline", policy=policy, window=window)
            get(f"/v1/stores/{store}/outages", policy=policy, window="P7D")
        get(f"/v1/stores/{store}/policies", policy=["classic", "hold"], window="last_week")
    get("/v1/outages", store=next(iter(fleet.stores)), window="P7D")
    for before, after in reports.values():
        for store in fleet.stores:
            for report_id in (before, after):
                answer = api.get(f"/v1/reports/{report_id}/stores/{store}")
                found[f"{report_id} {store}"] = answer.status_code, answer.json().get("windows")
        get(f"/v1/reports/{after}/diff", against=before)
    return found


def test_calls_answer_the_same(
    api: TestClient, worker: WorkerContext, database_url: str, tmp_path: Path, fleet: Fleet
) -> None:
    before = {policy: make_report(api, worker, policy)[0] for policy in POLICIES}
    (tmp_path / "later").mkdir()
    change_everything(database_url, fleet, tmp_path / "later")
    as_of = api.get(f"/v1/reports/{before['classic']}").json()["as_of"]
    reports = {
        policy: (report_id, make_report(api, worker, policy, as_of=as_of)[0])
        for policy, report_id in before.items()
    }
    from_table = answers(api, fleet, reports)
    causes = str([body for name, body in from_table.items() if "/diff" in name])
    assert "corrected_polls" in causes
    assert "late_polls" in causes
    rows = stored_polls(worker)
    # All but the newest, of which the polls of the last day are counted: no such week is ever sealed.
    seal(worker, NOW)
    assert len(sealed_weeks(worker)) > 1
    assert answers(api, fleet, reports) == from_table
    open_all(worker)
    assert stored_polls(worker) == rows
    assert answers(api, fleet, reports) == from_table


@pytest.mark.usefixtures("fleet")
def test_facts_and_diagnostics_are_the_same(worker: WorkerContext, database_url: str) -> None:
    build(database_url, worker, *DAYS)
    facts = stored(database_url)
    assert facts
    with psycopg.connect(database_url) as conn:
        found = find_all(conn)
        conn.commit()
        seal(worker)
        assert find_all(conn) == found
        conn.execute("delete from store_day")
        conn.execute("delete from store_day_mark")
        conn.execute("delete from store_month")
        conn.execute("delete from packed_day")
    build(database_url, worker, *DAYS)
    assert stored(database_url) == facts


@pytest.mark.usefixtures("fleet")
def test_a_late_poll_of_a_week_that_was_sealed_since_touches_its_facts(
    worker: WorkerContext, database_url: str
) -> None:
    """The ledger numbers of sealed polls are known without the file."""
    build(database_url, worker, *DAYS)
    with psycopg.connect(database_url) as conn:
        before = stored(database_url)
        # As if a correction had come after the facts, and then the week had been sealed.
        conn.execute("update observation set is_active = false")
        conn.execute(
            "update ledger_head set seq = seq + 1, history_seq = seq + 1, latest_observed_at = latest_observed_at"
        )
        conn.execute("update observation set since_seq = (select seq from ledger_head)")
        conn.execute(
            "insert into import_chunk (import_id, chunk_no, first_byte, end_byte, commit_seq, min_at, max_at)"
            " select (select id from import where kind = 'polls' limit 1), 1000, 0, 0, (select seq from ledger_head),"
            " min(observed_at), max(observed_at) from observation"
        )
    seal(worker)
    assert stored_polls(worker) == []
    build(database_url, worker, *DAYS)
    after = stored(database_url)
    assert after != before
    open_all(worker)
    with psycopg.connect(database_url) as conn:
        conn.execute("delete from store_day")
        conn.execute("delete from store_day_mark")
        conn.execute("delete from store_month")
        conn.execute("delete from packed_day")
    build(database_url, worker, *DAYS)
    assert stored(database_url) == after


def test_a_changed_object_is_refused_and_named(api: TestClient, worker: WorkerContext, fleet: Fleet) -> None:
    seal(worker)
    with worker.pool.connection() as conn:
        keys = [key for (key,) in conn.execute("select object from sealed_week order by starts_at")]
    for key in keys:
        data = bytearray(worker.storage.read_range(key, 0, 1 << 20))
        data[len(data) // 3] ^= 1
        worker.storage.put(key, bytes(data), "application/vnd.apache.parquet")
    store = next(iter(fleet.stores))
    body = problem(api.get(f"/v1/stores/{store}/timeline"), 503, "unavailable")
    assert any(f"the object {key} has changed" in body["detail"] for key in keys)
    for key in keys:
        worker.storage.delete(key)
    body = problem(api.get(f"/v1/stores/{store}/timeline"), 503, "unavailable")
    assert any(f"{key} is not in the bucket" in body["detail"] for key in keys)
