"""The scheduler dies, fails or falls asleep between what it commits and what it does then; another one makes good.

After an error it goes on itself, so what it left behind can be looked at only after a kill or a sleep.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from shared.reports.retention import sweep_bucket
from shared.settings import Settings
from shared.storage import make_storage
from tests.fixtures.failpoints import armed
from tests.fixtures.reports import trigger
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import BATCH_STORES, SmallFleet, await_success
from tests.fixtures.warm_start import Process

_WEEK_S = 7 * 86_400.0
ACTIONS = (
    pytest.param("kill", id="kill"),
    pytest.param("raise", id="raise", marks=pytest.mark.chaos),
    # Longer than a session may stand still in a transaction, and than another scheduler takes to start.
    pytest.param("sleep:20", id="sleep", marks=pytest.mark.chaos),
)
pytestmark = pytest.mark.parametrize("action", ACTIONS)


def fails_at(services: Services, name: str, action: str) -> None:
    """A scheduler that is killed there, or goes on from there while another is at work."""
    victim: Process = services.scheduler(**armed(name, action))
    wait_until(lambda: services.logged('"failpoint_hit"'), f"{name} to be hit")
    if action == "kill":
        wait_until(lambda: victim.poll() is not None, "the scheduler's end")


def test_messages_that_it_took_and_did_not_publish(
    action: str, idle_services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    services, url = idle_services, idle_services.settings["UPTILL_DATABASE_URL"]
    report_id = str(trigger(url, batch_stores=BATCH_STORES).report_id)
    with psycopg.connect(url) as conn:
        conn.execute("update report_batch set due_at = clock_timestamp()")
    fails_at(services, "sweep.before_publish", action)
    services.api()
    services.scheduler()
    services.worker()
    await_success(services, report_id, small_fleet.expected, tmp_path)


def test_poison_that_it_did_not_bury(action: str, idle_services: Services) -> None:
    services, url = idle_services, idle_services.settings["UPTILL_DATABASE_URL"]
    trigger(url, batch_stores=BATCH_STORES)
    state = (
        "select state, error ->> 'batch_no', (select state from report_batch where batch_no = 1) from report"
    )
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("update report_batch set burnt = 5 where batch_no = 1")
        fails_at(services, "bury.before_commit", action)
        if action != "raise":
            assert conn.execute(state).fetchone() == ("queued", None, "pending")
        services.scheduler()
        wait_until(lambda: conn.execute(state).fetchone() == ("failed", "1", "dead"), "the report's end")


def test_files_of_an_expired_report_that_it_did_not_remove(
    action: str, idle_services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    services, url = idle_services, idle_services.settings["UPTILL_DATABASE_URL"]
    services.api()
    services.worker()
    with services.client() as client:
        report_id = client.create_report().id
    await_success(services, report_id, small_fleet.expected, tmp_path)
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in services.settings.items()}
    storage = make_storage(Settings.model_validate(values))
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("update report set finished_at = finished_at - interval '8 days'")
        fails_at(services, "expire.after_commit", action)
        assert conn.execute("select state from report").fetchone() == ("expired",)
        if action != "raise":
            assert list(storage.list("reports/"))
        sweep_bucket(conn, storage, _WEEK_S, now=datetime.now(UTC) + timedelta(hours=2))
    assert not list(storage.list("reports/"))
