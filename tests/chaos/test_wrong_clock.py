"""One process whose clock is two minutes off: every lease and due time is the database's, so nothing but latency changes."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.services import Services
from tests.fixtures.small_report import SmallFleet, await_success

_HOOK = Path(__file__).parent / "clock"
_REPORTS = 5


def wrong_clock(seconds: int) -> Mapping[str, str]:
    return {"PYTHONPATH": str(_HOOK), "UPTILL_TEST_CLOCK_S": str(seconds)}


def clocks(logs: Path) -> list[datetime]:
    """What each process with a wrong clock said that it was when it started."""
    text = "".join(log.read_text() for log in logs.glob("*.log"))
    return [datetime.fromisoformat(instant) for instant in re.findall(r"^clock (\S+)$", text, re.MULTILINE)]


@pytest.mark.parametrize("seconds", [120, pytest.param(-120, marks=pytest.mark.chaos)])
@pytest.mark.parametrize(
    "who",
    [
        "worker",
        pytest.param("api", marks=pytest.mark.chaos),
        pytest.param("scheduler", marks=pytest.mark.chaos),
    ],
)
def test_only_latency_changes(
    who: str, seconds: int, idle_services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    clock_of = {who: wrong_clock(seconds)}
    services = idle_services
    services.scheduler(**clock_of.get("scheduler", {}))
    services.api(**clock_of.get("api", {}))
    services.worker(**clock_of.get("worker", {}))
    services.worker()
    with services.client() as client:
        reports = [client.create_report(force=True).id for _ in range(_REPORTS)]
    for report_id in reports:
        await_success(services, report_id, small_fleet.expected, tmp_path)
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        repeated = conn.execute("select count(*) from report_batch where attempt <> 1").fetchone()
    assert repeated == (0,), "a lease was taken from a worker that was at work"
    off_by_s = [(clock - datetime.now(UTC)).total_seconds() for clock in clocks(tmp_path)]
    assert off_by_s
    assert all(abs(off - seconds) < 60 for off in off_by_s)
