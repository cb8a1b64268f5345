"""Workers with another time zone database than the report's: no file mixes two, and every report ends."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.cli.doctor_data import check_tzdata
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.finalise_report import finalise_report
from shared.db.connect import connect
from shared.settings import Settings
from shared.uptime.tzdata_release import tzdata_version
from tests.fixtures.buckets import content_of
from tests.fixtures.fleet import load_fleet
from tests.fixtures.in_process import work
from tests.integration.api.test_api import FLEET

OTHER = "1999z"
STATE = "select state, failed_stores, burnt, tzdata_version from report_batch where batch_no = 0"


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(database_url, FLEET)
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def accept(api: TestClient) -> str:
    return str(api.post("/v1/reports", json={"force": True}).json()["id"])


def content(conn: psycopg.Connection, worker: WorkerContext, report_id: str) -> bytes:
    ((key,),) = conn.execute("select object from report_file where report_id = %s", [report_id]).fetchall()
    return content_of(worker.storage, key)


def test_a_report_records_the_version_from_its_acceptance_on(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    report_id = accept(api)
    assert api.get(f"/v1/reports/{report_id}").json()["tzdata_version"] == tzdata_version()
    work(worker, report_id)
    assert api.get(f"/v1/reports/{report_id}").json()["tzdata_version"] == tzdata_version()
    assert conn.execute("select distinct tzdata_version from report_batch").fetchall() == [
        (tzdata_version(),)
    ]


def test_an_unknown_zone_is_left_to_others_until_the_last_claim(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    conn.execute("update store set timezone = 'Mars/Olympus' where store_id = '0042'")
    report_id = accept(api)
    conn.execute("update report set tzdata_accepted = %s", [OTHER])
    for claims in range(1, worker.terms.max_attempts):
        assert not compute_batch(worker, UUID(report_id), 0)
        assert conn.execute(STATE).fetchone() == ("pending", 0, claims, None)
        ((cause,),) = conn.execute(
            "select error ->> 'detail' from report_batch where batch_no = 0"
        ).fetchall()
        assert OTHER in cause
        assert tzdata_version() in cause
        conn.execute("update report_batch set due_since = clock_timestamp()")
    work(worker, report_id)
    body = api.get(f"/v1/reports/{report_id}").json()
    assert (body["state"], body["stores_failed"]) == ("succeeded", 1)
    assert body["tzdata_version"] == tzdata_version(), "the one that made the file"


def test_a_zone_that_is_known_is_computed_at_once(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    report_id = accept(api)
    conn.execute("update report set tzdata_accepted = %s", [OTHER])
    work(worker, report_id)
    assert api.get(f"/v1/reports/{report_id}").json()["state"] == "succeeded"


def test_parts_of_another_version_are_computed_again_by_the_worker_that_finishes(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    """Another worker did not know a zone. The one that finishes knows it."""
    undisturbed = accept(api)
    work(worker, undisturbed)
    report_id = accept(api)
    conn.execute("update store set timezone = 'Mars/Olympus' where store_id = '0042'")
    assert compute_batch(worker, UUID(report_id), 0)
    conn.execute("update store set timezone = null where store_id = '0042'")
    conn.execute(
        "update report_batch set tzdata_version = %s where report_id = %s and batch_no = 0",
        [OTHER, report_id],
    )
    assert api.get(f"/v1/reports/{report_id}").json()["stores_failed"] == 1
    assert compute_batch(worker, UUID(report_id), 1)
    body = api.get(f"/v1/reports/{report_id}").json()
    assert (body["state"], body["stores_failed"]) == ("succeeded", 0)
    assert content(conn, worker, report_id) == content(conn, worker, undisturbed)
    versions = conn.execute("select tzdata_version from report_batch where report_id = %s", [report_id])
    assert set(versions.fetchall()) == {(tzdata_version(),)}


def test_a_worker_of_another_version_leaves_mixed_parts_to_others_until_the_last_claim(
    api: TestClient, worker: WorkerContext, conn: psycopg.Connection
) -> None:
    report_id = accept(api)
    assert compute_batch(worker, UUID(report_id), 0)
    conn.execute("update report set tzdata_accepted = %s", [OTHER])
    conn.execute("update report_batch set tzdata_version = %s where batch_no = 0", [OTHER])
    compute_batch(worker, UUID(report_id), 1)
    for _ in range(1, worker.terms.max_attempts - 1):
        assert conn.execute("select state from report").fetchone() == ("running",)
        conn.execute("update report set finalise_lease_until = clock_timestamp()")
        assert not finalise_report(worker, UUID(report_id))
    conn.execute("update report set finalise_lease_until = clock_timestamp()")
    assert finalise_report(worker, UUID(report_id))
    assert api.get(f"/v1/reports/{report_id}").json()["tzdata_version"] == tzdata_version()


def test_a_report_of_another_version_is_not_shared(api: TestClient, conn: psycopg.Connection) -> None:
    first, again = (api.post("/v1/reports").json()["id"] for _ in range(2))
    assert first == again
    conn.execute("update report set tzdata_accepted = %s", [OTHER])
    assert api.post("/v1/reports").json()["id"] != first


@pytest.mark.usefixtures("api")
def test_the_doctor_names_the_services_that_differ(settings: Settings, database_url: str) -> None:
    state, advice, _ = check_tzdata(settings)
    assert (state, advice) == (f"database {tzdata_version()} everywhere", "")
    with connect(database_url, application_name=f"uptill-worker tzdata={OTHER} host/1"):
        state, advice, _ = check_tzdata(settings)
    assert f"{OTHER} (uptill-worker)" in state
    assert f"{tzdata_version()} (uptill-api)" in state
    assert "same release" in advice
