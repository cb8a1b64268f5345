"""One process whose clock is two minutes off: every lease and due time is the database's, so nothing but latency changes."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import SmallFleet, await_success
from tests.integration.ingest.database import check_ledger

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
    clock_of, began = {who: wrong_clock(seconds)}, datetime.now(UTC)
    services = idle_services
    services.settings["UPTILL_LEASE_S"] = (
        "60"  # less than the clock is off, and no busy machine is late by it
    )
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
    check_clocks(tmp_path, seconds, began)


@pytest.mark.parametrize("seconds", [120, pytest.param(-120, marks=pytest.mark.chaos)])
def test_what_is_the_future_says_the_database(seconds: int, env: dict[str, str], tmp_path: Path) -> None:
    """Five minutes ahead is allowed: by the service's clock it would be seven minutes, or three."""
    began = datetime.now(UTC)
    with Services({**env, "UPTILL_SPOOL_DIR": str(tmp_path / "spool")}, tmp_path) as services:
        url = services.settings["UPTILL_API_URL"]  # a free port
        services.start("services.ingest.http", f"--port={urlsplit(url).port}", **wrong_clock(seconds))
        key = {"Authorization": f"Bearer {services.settings['UPTILL_API_KEY']}"}
        with httpx2.Client(base_url=url, headers=key, timeout=30) as client:
            wait_until(lambda: is_ready(client), "the ingest service")
            now = datetime.now(UTC)
            # The later one is refused for almost two minutes from now, though the machine be busy.
            soon, late = ((now + timedelta(minutes=minutes)).isoformat() for minutes in (4, 6.9))
            answers = [
                client.post(
                    "/v1/observations",
                    json={"observations": [{"store_id": "a", "status": "active", "observed_at": at}]},
                )
                for at in (soon, late)
            ]
            assert [answer.status_code for answer in answers] == [200, 422], answers[0].text
            assert "in the future" in answers[1].text
            lines = ["store_id,status,timestamp_utc", f"b,active,{soon}", f"b,active,{late}"]
            upload = client.post("/v1/imports?name=polls", content="\n".join(lines).encode())
            there = upload.headers["location"]
            wait_until(lambda: client.get(there).json()["state"] == "succeeded", "the import", every_s=0.1)
            counts = client.get(there).json()["counts"]
    assert (counts["accepted"], counts["rejected"]) == (1, 1)
    check_ledger(env["UPTILL_DATABASE_URL"])
    check_clocks(tmp_path, seconds, began)


def is_ready(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx2.HTTPError:
        return False


def check_clocks(logs: Path, seconds: int, began: datetime) -> None:
    """The process really had the wrong clock: it started since `began`."""
    started = [clock - timedelta(seconds=seconds) for clock in clocks(logs)]
    assert started
    assert began <= min(started) <= max(started) <= datetime.now(UTC)
