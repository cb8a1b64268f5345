"""A report never mixes policy versions: one accepted by a release that computes other numbers fails and says why."""

from uuid import UUID

import psycopg
from fastapi.testclient import TestClient

from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from shared.reports.due import bury_poison
from shared.uptime.policy import POLICY_VERSION
from tests.fixtures.fleet import load_fleet
from tests.integration.api.test_api import FLEET


def test_a_report_of_another_policy_version_fails_with_the_reason(
    database_url: str, api: TestClient, worker: WorkerContext
) -> None:
    load_fleet(database_url, FLEET)
    report_id = UUID(api.post("/v1/reports").json()["id"])
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("update report set policy_version = policy_version - 1")
        for (number,) in conn.execute("select batch_no from report_batch order by 1").fetchall():
            compute_batch(worker, report_id, number)
        conn.execute("update report set finalise_burnt = 5, finalise_lease_until = clock_timestamp()")
        assert bury_poison(conn, 5) == [report_id]
    shown = api.get(f"/v1/reports/{report_id}").json()
    assert shown["state"] == "failed"
    assert (
        f"accepted under policy version {POLICY_VERSION - 1}, and this release computes version {POLICY_VERSION}"
        in shown["error"]["detail"]
    )
