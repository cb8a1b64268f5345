"""Objects that somebody removed behind Uptill: callers learn how to get a file again, and parts are computed again."""

from collections.abc import Iterator

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from services.scheduler.janitor import clean_bucket
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.finalise_report import finalise_report
from shared.metrics.registry import FILES_LOST
from shared.reports.due import bury_poison, due_finalisations
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem, work
from tests.fixtures.reports import trigger
from tests.integration.api.test_api import FLEET


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(database_url, FLEET | {"fourth": Store()})
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def lost_now() -> float:
    """As the metric says."""
    (metric,) = FILES_LOST.collect()
    return metric.samples[0].value


def forget(worker: WorkerContext) -> None:
    for item in list(worker.storage.list("reports/")):
        worker.storage.delete(item.key)


@pytest.fixture
def lost(api: TestClient, worker: WorkerContext, conn: psycopg.Connection) -> str:
    """The id of a report that succeeded, and whose file is gone."""
    report_id: str = api.post("/v1/reports").json()["id"]
    work(worker, report_id)
    file = conn.execute("select object from report_file").fetchone()
    assert file is not None
    worker.storage.delete(file[0])
    return report_id


def test_a_file_that_is_gone_is_said_to_be_and_can_be_made_anew(
    api: TestClient, worker: WorkerContext, lost: str
) -> None:
    told = problem(api.get(f"/v1/reports/{lost}/files/report.csv"), 410, "file_lost")
    assert '"force": true' in told["detail"]
    as_csv = api.get("/get_report", params={"report_id": lost}, headers={"Accept": "text/csv"})
    problem(as_csv, 410, "file_lost")
    as_of = api.get(f"/v1/reports/{lost}").json()["as_of"]
    again = api.post("/v1/reports", json={"as_of": as_of, "force": True}).json()["id"]
    work(worker, again)
    answer = api.get(f"/v1/reports/{again}/files/report.csv", follow_redirects=False)
    assert answer.status_code == 302


def test_without_the_object_store_no_download_is_promised(
    settings: Settings, api: TestClient, lost: str
) -> None:
    away = settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"})
    with TestClient(create_app(away), headers=dict(api.headers), raise_server_exceptions=False) as there:
        problem(there.get(f"/v1/reports/{lost}/files/report.csv"), 503, "unavailable")


def test_the_janitor_counts_them_for_the_alarm(
    settings: Settings, api: TestClient, worker: WorkerContext, lost: str
) -> None:
    whole = api.post("/v1/reports", json={"force": True}).json()["id"]
    work(worker, whole)
    assert clean_bucket(worker.pool, worker.storage, settings).lost == 1
    assert lost_now() == 1
    interrupted = clean_bucket(worker.pool, worker.storage, settings, lambda: False)
    assert interrupted.lost is None
    with worker.pool.connection() as conn:
        conn.execute("update report set state = 'expired' where id = %s", [lost])
    assert clean_bucket(worker.pool, worker.storage, settings).lost == 0
    assert lost_now() == 0


def test_parts_that_are_gone_are_computed_again(worker: WorkerContext, conn: psycopg.Connection) -> None:
    """A report that failed long ago is tried again: its parts were kept for a while only."""
    report_id = trigger(conn.info.dsn + f" password={conn.info.password}", batch_stores=1).report_id
    for batch_no in (0, 1):
        assert compute_batch(worker, report_id, batch_no)
    forget(worker)
    assert compute_batch(worker, report_id, 2)
    batches = conn.execute("select array_agg((state, attempt)::text order by batch_no) from report_batch")
    assert batches.fetchone() == (["(pending,1)", "(pending,1)", "(done,1)"],)
    for batch_no in (0, 1):
        assert compute_batch(worker, report_id, batch_no)
    assert conn.execute("select state, rows from report join report_file on report_id = id").fetchone() == (
        "succeeded",
        3,
    )


def test_a_store_that_forgets_everything_is_not_fed_for_ever(
    worker: WorkerContext, conn: psycopg.Connection
) -> None:
    report_id = trigger(conn.info.dsn + f" password={conn.info.password}", batch_stores=2).report_id

    rounds = 0
    while conn.execute("select state from report").fetchone() != ("failed",):
        rounds += 1
        assert rounds < 20, "it goes on for ever"
        conn.execute("update report set finalise_lease_until = clock_timestamp()")  # the pause is over
        for batch_no in (0, 1):
            compute_batch(worker, report_id, batch_no)
            forget(worker)
        for wake in due_finalisations(conn, worker.terms.max_attempts):
            finalise_report(worker, wake.report_id)
        bury_poison(conn, worker.terms.max_attempts)
    assert conn.execute("select error ->> 'cause' from report").fetchone() is not None
