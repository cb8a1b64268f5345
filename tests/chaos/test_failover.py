"""The primary is killed or frozen under load, and a synchronous standby takes over: nothing acknowledged is lost.

Services are given both hosts, and come back without a restart. The test plays the cluster manager, so it needs neither
Patroni nor etcd, and the failover takes a second. `make test-ha` has the long form, with both.
"""

import signal
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from tests.chaos.failover import await_calls, check, load, prepare, start_services
from tests.chaos.soak.journal import read_journal
from tests.fixtures.postgres_pair import postgres_pair
from tests.fixtures.services import Services
from tests.fixtures.small_report import SmallFleet

_CALLS_A_ROUND = 100_000


@pytest.mark.timeout(400)
def test_nothing_acknowledged_is_lost_when_a_standby_takes_over(
    env: Mapping[str, str], small_fleet: SmallFleet, tmp_path: Path
) -> None:
    with postgres_pair(tmp_path / "pair") as pair:
        with psycopg.connect(pair.url(), autocommit=True) as conn:
            conn.execute("create database uptill")
        settings = prepare(pair.url("uptill"), env, small_fleet, tmp_path)
        with Services(settings, tmp_path) as services:
            running = start_services(services, settings)
            for number, how in enumerate((signal.SIGKILL, signal.SIGSTOP)):
                with load(settings, tmp_path, first=number * _CALLS_A_ROUND, pause_s=0.1):
                    await_calls(tmp_path, more=3)
                    pair.fail(how)
                    await_calls(tmp_path, more=3)
                pair.follow()
            assert [process.poll() for process in running] == [None] * len(running)
            check(settings["UPTILL_DATABASE_URL"], read_journal(tmp_path / "load.jsonl"))
