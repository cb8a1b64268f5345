"""`dramatiq services.worker.app`: the worker under Dramatiq's own command, as real processes."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.failpoints import armed
from tests.fixtures.logins import login_url
from tests.fixtures.private_queue import PrivateQueue
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import BATCH_STORES, SmallFleet, await_success

COMMAND = ("dramatiq", "services.worker.app", "--processes", "1", "--threads", "2")


@pytest.fixture
def services(env: dict[str, str], tmp_path: Path) -> Iterator[Services]:
    logs = tmp_path / "logs"
    logs.mkdir()
    with Services({**env, "UPTILL_BATCH_STORES": str(BATCH_STORES)}, logs) as services:
        yield services


def worker_login(env: dict[str, str]) -> str:
    return login_url(env["UPTILL_DATABASE_URL"], "uptill_worker")


def test_it_computes_a_report_and_stops_when_asked(
    services: Services, env: dict[str, str], tmp_path: Path
) -> None:
    fleet = SmallFleet.make(tmp_path / "fleet")
    fleet.load(env["UPTILL_DATABASE_URL"])
    services.api()
    command = services.start(*COMMAND, UPTILL_DATABASE_URL=worker_login(env))
    with services.client() as client:
        report = client.create_report(force=True)
    await_success(services, report.id, fleet.expected, tmp_path)
    command.terminate()
    assert command.wait(60) == 0
    assert services.logged('"worker_stopped"')


def test_a_stop_gives_back_what_is_in_hand(services: Services, env: dict[str, str], tmp_path: Path) -> None:
    SmallFleet.make(tmp_path / "fleet").load(env["UPTILL_DATABASE_URL"])
    services.api()
    command = services.start(
        *COMMAND,
        UPTILL_DATABASE_URL=worker_login(env),
        UPTILL_STOP_GRACE_S="0",
        **armed("compute.after", "sleep:5"),
    )
    with services.client() as client:
        client.create_report(force=True)
    wait_until(lambda: services.logged('"failpoint_hit"'), "a batch in hand")
    command.terminate()
    assert command.wait(60) == 0
    assert services.logged('"leases_given_back"')
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        batches = set(conn.execute("select state, burnt from report_batch where state <> 'done'"))
    assert batches == {("pending", 0)}, "no lease is left, and the claim does not count"


def test_an_unsafe_redis_is_refused(services: Services, env: dict[str, str], tmp_path: Path) -> None:
    with PrivateQueue(tmp_path) as queue:
        queue.start(policy="allkeys-lru")
        command = services.start(*COMMAND, UPTILL_DATABASE_URL=worker_login(env), UPTILL_REDIS_URL=queue.url)
        assert command.wait(60) == 1
    assert services.logged("set maxmemory-policy noeviction")
