"""A batch that kills every process that computes it: five claims, not one more, and the report says which and why."""

from pathlib import Path

import psycopg
import pytest

from tests.fixtures.failpoints import armed
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import STORES, SmallFleet, await_success

LIMIT = 5
_WORKERS = LIMIT + 2
pytestmark = pytest.mark.chaos


def test_five_claims_then_dead_and_a_retry_by_command_heals_it(
    idle_services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    services = idle_services
    services.scheduler()
    services.api(UPTILL_BATCH_STORES=str(STORES))  # one batch
    with services.client() as client:
        report_id = client.create_report(force=True).id
        killed = 0
        for _ in range(_WORKERS):
            worker = services.worker(**armed("compute.after", "kill"), UPTILL_LEASE_S="1")
            wait_until(
                lambda worker=worker: worker.poll() is not None or client.get_report(report_id).is_final,  # type: ignore[misc]
                "the worker's death or the report's end",
            )
            if worker.poll() is None:
                worker.terminate()
                break
            killed += 1
        failed = client.get_report(report_id)
    assert (killed, failed.state) == (LIMIT, "failed")
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        batch = conn.execute("select attempt, burnt, state, first_id, last_id from report_batch").fetchone()
    assert batch is not None
    assert batch[:3] == (LIMIT, LIMIT, "dead")
    assert failed.error is not None
    assert failed.error["title"]
    named = ("batch_no", "stores", "first_store_id", "last_store_id")
    assert [failed.error[name] for name in named] == [0, STORES, *batch[3:]]
    assert failed.error["cause"] == "the worker died or went silent"
    services.worker()
    retried = services.run("reports", "retry", report_id)
    assert retried.returncode == 0, retried.stderr
    await_success(services, report_id, small_fleet.expected, tmp_path)
