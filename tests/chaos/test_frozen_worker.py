"""A worker that is frozen past its lease and thawed again can change nothing, though it does not know that it was."""

import signal
from pathlib import Path

import psycopg

from shared.settings import Settings
from shared.storage import make_storage
from tests.fixtures.failpoints import armed
from tests.fixtures.services import Services, kill_group, wait_until
from tests.fixtures.small_report import STORES, SmallFleet, await_success

_BATCH = "select attempt, state, worker, part, burnt from report_batch"


def test_what_it_uploaded_is_never_used(
    idle_services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    services = idle_services
    services.scheduler()
    services.api(UPTILL_BATCH_STORES=str(STORES))  # one batch
    first = services.worker(**armed("upload.after", "sleep:5"), UPTILL_LEASE_S="1")
    with services.client() as client:
        report_id = client.create_report(force=True).id
    wait_until(lambda: services.logged('"failpoint_hit"'), "the upload")
    kill_group(first, signal.SIGSTOP)
    second = services.worker(**armed("compute.after", "sleep:600"), UPTILL_LEASE_S="600")
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:

        def batch() -> tuple[object, ...]:
            return conn.execute(_BATCH).fetchone() or ()

        wait_until(lambda: batch()[:2] == (2, "leased"), "the second worker's claim")
        before = batch()
        kill_group(first, signal.SIGCONT)
        wait_until(lambda: services.logged('"lease_lost"'), "the first worker's attempt to complete")
        assert before[-1] == 2
        wait_until(
            lambda: batch() == (*before[:-1], 1), "the end of the claim, which was no fault of the batch"
        )
        kill_group(first, signal.SIGKILL)
        kill_group(second, signal.SIGKILL)
        conn.execute("update report_batch set lease_until = clock_timestamp()")  # ten minutes later
        services.worker()
        await_success(services, report_id, small_fleet.expected, tmp_path)
        wanted = conn.execute("select object from report_file").fetchone()
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in services.settings.items()}
    stored = {item.key for item in make_storage(Settings.model_validate(values)).list("reports/")}
    abandoned = f"reports/{report_id}/parts/000000-1/report.csv"
    assert abandoned in stored
    assert wanted == (f"reports/{report_id}/parts/000000-3/report.csv",)
