"""The crash-point sweep: at every boundary a real process is killed, fails, or sleeps past its lease. The bytes stay."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest

from shared.errors import ConfigurationError
from shared.failpoints import CONFIRMATION, NAMES, parse
from tests.fixtures.failpoints import armed
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import BATCH_STORES, BATCHES, STORES, SmallFleet, await_success

LEASE_S = 2
API_POINTS = tuple(name for name in NAMES if name.startswith(("trigger.", "publish.")))
REREAD_POINTS = tuple(name for name in NAMES if name.startswith("reread."))
SCHEDULER_POINTS = ("sweep.before_publish", "bury.before_commit", "expire.after_commit")
SCHEDULE_POINTS = ("schedule.before_commit", "schedule.after_commit", "delivery.after_copy")
# In test_webhook_kill.py and test_channel_kill.py.
SENDER_POINTS = tuple(name for name in NAMES if name.startswith(("webhook.", "channel.")))
EXPORT_POINTS = tuple(name for name in NAMES if name.startswith("export."))  # in test_facts_export_kill.py
LEVEL_POINTS = tuple(name for name in NAMES if name.startswith("level."))  # in test_level_kill.py
SEAL_POINTS = ("seal.after_file", "seal.after_check", "open.after_copy")  # in test_seal_kill.py
INCIDENT_POINTS = tuple(name for name in NAMES if name.startswith("incidents."))  # in test_incident_kill.py
HOOK_POINTS = tuple(name for name in NAMES if name.startswith("hooks."))  # in test_hook_kill.py
KAFKA_POINTS = tuple(name for name in NAMES if name.startswith("kafka."))  # in test_kafka_kill.py
WORKER_POINTS = tuple(
    name
    for name in NAMES
    if name
    not in {
        *(*API_POINTS, *REREAD_POINTS, *SCHEDULER_POINTS),
        *(*SCHEDULE_POINTS, *SENDER_POINTS, *EXPORT_POINTS, *LEVEL_POINTS, *SEAL_POINTS),
        *(*INCIDENT_POINTS, *HOOK_POINTS, *KAFKA_POINTS),
    }
)
FORMATS = ("json", "parquet", "xlsx")
FILES = ("report", "outages")
ACTIONS = (
    pytest.param("kill", id="kill"),
    pytest.param("raise", id="raise", marks=pytest.mark.chaos),
    pytest.param(f"sleep:{LEASE_S + 1.5}", id="sleep", marks=pytest.mark.chaos),
)


@pytest.fixture
def services(env: dict[str, str], small_fleet: SmallFleet, tmp_path: Path) -> Iterator[Services]:
    quick = {"UPTILL_LEASE_S": str(LEASE_S), "UPTILL_SWEEP_S": "0.2", "UPTILL_REPUBLISH_S": "1"}
    small_fleet.load(env["UPTILL_DATABASE_URL"])
    with Services({**env, **quick, "UPTILL_BATCH_STORES": str(BATCH_STORES)}, tmp_path) as services:
        services.scheduler()
        yield services


def check_invariants(services: Services, report_id: str, expected: bytes, directory: Path) -> None:
    """Succeeded once, the right bytes, every store in one batch, the stored digest true."""
    await_success(services, report_id, expected, directory)
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        batches = conn.execute(
            "select count(*), sum(stores), bool_and(state = 'done'), max(burnt) from report_batch where report_id = %s",
            [report_id],
        ).fetchone()
        assert batches is not None
        assert batches[:3] == (BATCHES, STORES, True)
        assert batches[3] <= 5
        files = conn.execute("select count(*) from report where state = 'succeeded'").fetchone()
        assert files == (1,)


def check_files(services: Services, report_id: str, directory: Path) -> None:
    """Every format is there once, whole, and names the CSV of the same report."""
    with services.client() as client:
        status = client.get_report(report_id)
        for file in status.files:
            client.save(file, directory / file.name)  # compares the SHA-256
    assert [file.name for file in status.files] == [
        f"{kind}.{name}" for kind in FILES for name in ("csv", *FORMATS)
    ]
    shown = json.loads((directory / "report.json").read_text())
    assert (len(shown["stores"]), shown["provenance"]["csv_sha256"]) == (STORES, status.files[0].sha256)
    outages = json.loads((directory / "outages.json").read_text())
    csv = status.file("csv", "outages")
    assert (len(outages["outages"]), outages["provenance"]["csv_sha256"]) == (csv.rows, csv.sha256)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", WORKER_POINTS)
def test_a_worker_fails_at(
    name: str, action: str, services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    services.api()
    victim = services.worker(**armed(name, action))
    with services.client() as client:
        report_id = client.create_report(force=True, formats=FORMATS, files=FILES).id
    wait_until(lambda: services.logged('"failpoint_hit"'), f"{name} to be hit")
    if action == "kill":
        wait_until(lambda: victim.poll() is not None, "the worker's end")
    services.worker()
    check_invariants(services, report_id, small_fleet.expected, tmp_path)
    check_files(services, report_id, tmp_path)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", API_POINTS)
def test_the_api_fails_at(
    name: str, action: str, services: Services, small_fleet: SmallFleet, tmp_path: Path
) -> None:
    """A client that retries with its Idempotency-Key ends up with one report, whatever it was told the first time."""
    victim = services.api(**armed(name, action))
    headers = {"Idempotency-Key": "once", "Authorization": f"Bearer {services.settings['UPTILL_API_KEY']}"}
    url = f"{services.settings['UPTILL_API_URL']}/v1/reports"
    seen = _ids_told(url, headers)
    # Messages are published beside the answer, so the failpoint may be hit after it.
    wait_until(lambda: services.logged('"failpoint_hit"'), "the failpoint")
    if action == "kill":
        wait_until(lambda: victim.poll() is not None, "the API's end")
        services.api()
    seen |= _ids_told(url, headers)
    (report_id,) = seen
    services.worker()
    check_invariants(services, report_id, small_fleet.expected, tmp_path)
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        assert conn.execute("select count(*) from report").fetchone() == (1,)


def _ids_told(url: str, headers: dict[str, str]) -> set[str]:
    """The id of a 202; nothing when the connection broke or the API said that it failed."""
    try:
        answer = httpx2.post(url, headers=headers, timeout=30)
    except httpx2.HTTPError:
        return set()
    return {json.loads(answer.text)["id"]} if answer.status_code == httpx2.codes.ACCEPTED else set()


class TestArming:
    def test_a_failpoint_without_confirmation_stops_the_process_from_starting(
        self, env: dict[str, str], tmp_path: Path
    ) -> None:
        with Services(env, tmp_path) as services:
            process = services.start("services.worker", UPTILL_FAILPOINTS="claim.after_commit=kill")
            assert process.wait(60) != 0
            assert services.logged("UPTILL_FAILPOINTS is set")

    @pytest.mark.parametrize(
        "text", ["nowhere=kill", "claim.after_commit=explode", "claim.after_commit=sleep:long"]
    )
    def test_what_is_not_known_is_refused(self, text: str) -> None:
        with pytest.raises(ConfigurationError, match="NAME=kill"):
            parse({"UPTILL_FAILPOINTS": text, "UPTILL_FAILPOINTS_CONFIRM": CONFIRMATION})
