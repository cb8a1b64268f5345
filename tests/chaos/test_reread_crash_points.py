"""A worker fails while it reads again, in one snapshot, what never came to agree: the next one starts afresh."""

from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from services.ingest.run import ingest_paths
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from shared.contracts import Wake
from shared.db.connect import make_pool
from shared.reports.claim import LeaseTerms
from shared.reports.consistency import MAX_ROUNDS
from shared.settings import Settings
from shared.storage import make_storage
from tests.chaos.test_crash_points import ACTIONS, REREAD_POINTS
from tests.fixtures.failpoints import armed
from tests.fixtures.reports import trigger
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import BATCH_STORES, BATCHES, SmallFleet, await_success
from tests.oracle.report import expected_csv


def compute(settings: Settings, report_id: UUID, batch_nos: Iterable[int]) -> None:
    """In this process, and to its end."""
    url = settings.database_url.get_secret_value()
    with make_pool(url, application_name="test", max_size=2) as pool:

        def forget(wakes: Iterable[Wake]) -> None:
            del wakes

        context = WorkerContext(
            pool, make_storage(settings), LeaseTerms("test", 60, 5), forget, InputCache(1 << 27)
        )
        for batch_no in batch_nos:
            assert compute_batch(context, report_id, batch_no)


def correct_every_tenth(polls: Path, corrected: Path) -> None:
    """A file of polls that were delivered before, with the other status."""
    header, *rows = polls.read_text().splitlines()
    other = [
        row.replace(",active,", ",inactive,") if ",active," in row else row.replace(",inactive,", ",active,")
        for row in rows[::10]
    ]
    corrected.write_text("\n".join([header, *other]) + "\n")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", REREAD_POINTS)
def test_a_worker_fails_at(
    name: str, action: str, idle_services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    services, url = idle_services, idle_services.settings["UPTILL_DATABASE_URL"]
    values = {key.removeprefix("UPTILL_").lower(): value for key, value in services.settings.items()}
    report_id = trigger(url, batch_stores=BATCH_STORES).report_id
    compute(Settings.model_validate(values), report_id, range(BATCHES - 1))
    polls, late, all_polls = (
        small_fleet.folder / "store_status.csv",
        tmp_path / "late.csv",
        tmp_path / "all.csv",
    )
    correct_every_tenth(polls, late)
    ingest_paths(url, [str(late)])
    all_polls.write_text(polls.read_text() + late.read_text().partition("\n")[2])
    expected = expected_csv(
        all_polls, small_fleet.folder / "menu_hours.csv", small_fleet.folder / "timezones.csv"
    )
    assert expected != small_fleet.expected
    with psycopg.connect(url) as conn:
        conn.execute("update report_batch set round = %s, due_at = clock_timestamp()", [MAX_ROUNDS])
    services.api()
    services.scheduler()
    victim = services.worker(**armed(name, action))
    wait_until(lambda: services.logged('"failpoint_hit"'), f"{name} to be hit")
    if action == "kill":
        wait_until(lambda: victim.poll() is not None, "the worker's end")
    services.worker()
    await_success(services, str(report_id), expected, tmp_path)
    with psycopg.connect(url) as conn:
        newest = conn.execute("select read_cut = (select data_cut from ledger_head) from report").fetchone()
    assert newest == (True,)
