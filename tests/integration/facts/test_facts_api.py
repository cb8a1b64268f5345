"""Jobs that compute daily facts: by HTTP, by the scheduler, after reports, and stopped half-way."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg import AsyncConnection

from services.scheduler.nightly_facts import days_back
from services.worker.compute_batch import compute_next
from services.worker.context import WorkerContext
from shared.facts.jobs import nightly_job
from shared.reports.acceptance import BatchTerms
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem, work
from tests.fixtures.reports import trigger

NOON = datetime(2024, 10, 14, 12, tzinfo=UTC)
DAYTIME = [(day, 10 * 3600, 22 * 3600) for day in range(7)]
POLLS = [(NOON + timedelta(hours=n), n % 5 != 0) for n in range(-100, 100)]
FLEET = {
    "a": Store(POLLS, "America/Chicago", DAYTIME),
    "b": Store(POLLS, "Asia/Kathmandu", DAYTIME),
    "c": Store(POLLS),
}
WEEK = {"first_day": "2024-10-08", "last_day": "2024-10-14"}


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(database_url, FLEET)
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def days(conn: psycopg.Connection) -> list[Any]:
    return conn.execute(
        "select store_id, local_date, scheduled_us, open_us, up_us + down_us + unknown_us as parts"
        " from store_day join store using (store_key) where policy = 'classic' order by 1, 2"
    ).fetchall()


def test_a_job_computes_each_day_of_each_store(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    created = api.post("/v1/facts", json=WEEK)
    assert created.status_code == 202, created.json()
    location = created.headers["location"]
    assert location == f"/v1/facts/{created.json()['id']}"
    assert created.json()["progress"] == {"stores_done": 0, "stores_total": 3}
    work(worker, created.json()["id"])
    job = api.get(location).json()
    assert (job["state"], job["first_day"], job["last_day"]) == ("succeeded", *WEEK.values())
    assert job["progress"] == {"stores_done": 3, "stores_total": 3}
    found = days(conn)
    assert len(found) == 3 * 7
    assert all(parts == opened == scheduled for _, _, scheduled, opened, parts in found)
    assert {scheduled for store_id, _, scheduled, *_ in found if store_id != "c"} == {12 * 3_600_000_000}
    partitions = "select count(*) from pg_inherits where inhparent = 'store_day'::regclass"
    assert conn.execute(partitions).fetchone() == (1,)
    # A report it is not: no list, link, event or cancel of reports shows it.
    problem(api.get(f"/v1/reports/{job['id']}"), 404, "report_not_found")
    problem(api.delete(f"/v1/reports/{job['id']}"), 404, "report_not_found")
    problem(api.post(f"/v1/reports/{job['id']}/revisions", json={}), 404, "report_not_found")
    assert api.get("/v1/reports").json()["reports"] == []
    # The lists of the previous release read this view.
    assert conn.execute("select from report_shown").fetchall() == []


def test_days_that_are_not_final_are_left_out(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    today = datetime.now(UTC).date()
    job = api.post(
        "/v1/facts", json={"first_day": f"{today - timedelta(days=6)}", "last_day": f"{today}"}
    ).json()
    work(worker, job["id"])
    final = {store_id: max(day for each, day, *_ in days(conn) if each == store_id) for store_id in FLEET}
    assert all(today - timedelta(days=4) <= day <= today - timedelta(days=2) for day in final.values())


def test_wrong_dates_and_unknown_jobs_are_refused(api: TestClient, conn: psycopg.Connection) -> None:
    del conn
    answer = api.post("/v1/facts", json={"first_day": "2024-10-09", "last_day": "2024-10-08"})
    assert "exchange them" in problem(answer, 422, "invalid_request")["detail"]
    answer = api.post("/v1/facts", json={"first_day": "2020-01-01", "last_day": "2024-10-08"})
    assert "1,100" in problem(answer, 422, "invalid_request")["detail"]
    problem(api.post("/v1/facts", json={"first_day": "2024-10-08"}), 422, "invalid_request")
    answer = api.post("/v1/facts", json={"first_day": "1999-12-31", "last_day": "2000-01-01"})
    assert "from 2000" in problem(answer, 422, "invalid_request")["detail"]
    unknown = "00000000-0000-7000-8000-000000000000"
    problem(api.get(f"/v1/facts/{unknown}"), 404, "facts_not_found")
    problem(api.delete(f"/v1/facts/{unknown}"), 404, "facts_not_found")


def test_a_canceled_job_goes_on_where_it_stopped(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    first = api.post("/v1/facts", json=WEEK).json()
    assert compute_next(worker)
    done = len(days(conn))
    assert 0 < done < 21
    assert api.delete(f"/v1/facts/{first['id']}").json()["state"] == "canceled"
    assert api.delete(f"/v1/facts/{first['id']}").json()["state"] == "canceled"
    assert compute_next(worker) is None
    before = conn.execute("select xmin::text, store_key, local_date from store_day").fetchall()
    second = api.post("/v1/facts", json=WEEK).json()
    work(worker, second["id"])
    after = conn.execute("select xmin::text, store_key, local_date from store_day").fetchall()
    assert len(after) == 21
    assert set(before) < set(after), "what was committed is not computed again"


def test_jobs_are_listed_in_pages(api: TestClient, conn: psycopg.Connection, database_url: str) -> None:
    del conn
    trigger(database_url)
    ids = [
        api.post("/v1/facts", json={**WEEK, "policy": policy}).json()["id"]
        for policy in ("hold", "classic", "hold")
    ]
    api.delete(f"/v1/facts/{ids[0]}")
    first = api.get("/v1/facts", params={"limit": 2}).json()
    assert [job["id"] for job in first["jobs"]] == [ids[2], ids[1]]
    second = api.get("/v1/facts", params={"limit": 2, "cursor": first["next"]}).json()
    assert ([job["id"] for job in second["jobs"]], second["next"]) == ([ids[0]], None)
    assert second["jobs"] == [api.get(f"/v1/facts/{ids[0]}").json()]
    chosen = {"policy": "hold", "state": "queued"}
    assert [job["id"] for job in api.get("/v1/facts", params=chosen).json()["jobs"]] == [ids[2]]
    problem(api.get("/v1/facts", params={"cursor": "x"}), 422, "invalid_request")
    problem(api.get("/v1/facts", params={"labels": "x"}), 422, "invalid_request")


def test_a_long_report_has_full_batches_once_facts_reach_it(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    def batches(*windows: str) -> int:
        report = api.post("/v1/reports", json={"windows": windows, "force": True}).json()
        row = conn.execute(
            "select count(*) from report_batch where report_id = %s", [report["id"]]
        ).fetchone()
        assert row is not None
        return int(row[0])

    assert batches("P365D") == 3
    work(worker, api.post("/v1/facts", json=WEEK).json()["id"])
    assert batches("P365D") == batches("P7D")


def test_reports_go_first(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection, database_url: str
) -> None:
    job = api.post("/v1/facts", json=WEEK).json()
    report = trigger(database_url, batch_stores=1)
    open_batches = "select count(*) from report_batch where report_id = %s and state <> 'done'"
    for left in (2, 1, 0):
        assert compute_next(worker)
        assert conn.execute(open_batches, [report.report_id]).fetchone() == (left,)
        assert api.get(f"/v1/facts/{job['id']}").json()["state"] == "queued"
    assert compute_next(worker)
    assert api.get(f"/v1/facts/{job['id']}").json()["state"] == "running"


def test_the_scheduler_asks_once_a_night(conn: psycopg.Connection, database_url: str) -> None:
    async def accept(policy: str) -> bool:
        async with await AsyncConnection.connect(database_url, autocommit=True) as other:
            terms = BatchTerms(4000, 60)
            return await nightly_job(other, policy, terms, timedelta(0), days_back(policy)) is not None

    assert [asyncio.run(accept(policy)) for policy in ("classic", "classic", "carry", "carry")] == [
        True, False, True, False,
    ]  # fmt: skip
    jobs = conn.execute("select policy, first_day, last_day, created_by from report").fetchall()
    today = datetime.now(UTC).date()
    # A day of `carry` is final after two weeks.
    firsts = {"classic": today - timedelta(days=12), "carry": today - timedelta(days=24)}
    assert sorted(jobs) == sorted(
        (policy, first, today - timedelta(days=2), None) for policy, first in firsts.items()
    )
