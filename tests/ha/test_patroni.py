"""Patroni fails over under load: nothing acknowledged is lost, and services come back without a restart.

`FAILOVERS`: how often, with the primary killed and frozen in turn.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.chaos.failover import KINDS, await_calls, check, load, prepare, start_services
from tests.chaos.soak.journal import read_journal
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import SmallFleet
from tests.ha.cluster import Cluster, patroni_cluster
from tests.ha.figures import Failover, describe, first_after, p95
from tests.ha.probe import TABLE

_FAILOVERS = int(os.environ.get("FAILOVERS", "20"))
_A_FAILOVER_S = 240.0
_PROMISED_S = 30.0
# Of each caller, and for what they sent: a busy machine makes the work of twenty failovers in its own time.
_PAUSE_S = 0.5
_MADE_WITHIN_S = 900.0
_DATABASE = "uptill"
pytestmark = pytest.mark.ha


@pytest.mark.timeout(600 + 2 * _MADE_WITHIN_S + _A_FAILOVER_S * _FAILOVERS)
def test_nothing_acknowledged_is_lost_when_patroni_fails_over(
    env: Mapping[str, str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    fleet = SmallFleet.make(tmp_path / "fleet")
    with patroni_cluster(tmp_path / "cluster") as cluster:
        settings = prepare(cluster.url(_DATABASE), env, fleet, tmp_path)
        with Services(settings, tmp_path) as services:
            running = start_services(services, settings)
            with _probe(cluster, tmp_path), load(settings, tmp_path, pause_s=_PAUSE_S):
                failovers = [
                    _fail_over(cluster, tmp_path, freezes=number % 2 == 1) for number in range(_FAILOVERS)
                ]
                await_calls(tmp_path, more=3)
            assert [process.poll() for process in running] == [None] * len(running)
            check(
                settings["UPTILL_DATABASE_URL"],
                read_journal(tmp_path / "load.jsonl"),
                within_s=_MADE_WITHIN_S,
            )
        _check_rows(cluster, tmp_path)
    record_property("measured", describe(failovers))
    assert p95([one.without_writes_s for one in failovers]) <= _PROMISED_S, describe(failovers)


def _fail_over(cluster: Cluster, directory: Path, *, freezes: bool) -> Failover:
    """Kill or freeze the primary under load, wait for writes, bring it back and wait until all nodes are in step."""
    await_calls(directory, more=3)
    old = cluster.await_leader()
    failed_at = time.time()
    if freezes:
        cluster.nodes[old].freeze()
    else:
        cluster.nodes[old].kill()
    cluster.await_leader(other_than=old)
    led_at = time.time()
    await_calls(directory, more=3)
    under_way = _count_under_way(cluster)
    if freezes:
        cluster.nodes[old].wake()
    else:
        cluster.restart(old)
    cluster.await_health()
    calls = read_journal(directory / "load.jsonl")
    rows = [row for row in read_journal(directory / "probe.jsonl") if row["at"] > failed_at]
    # A woken primary may still answer for the one row that a standby had got before; it takes no other.
    assert len([row for row in rows if row["node"] == old and row["at"] > led_at]) <= 1
    return Failover(
        how="frozen" if freezes else "killed",
        leader_s=led_at - failed_at,
        database_s=first_after((row for row in rows if row["node"] != old), failed_at) - failed_at,
        calls_s={
            what: first_after((call for call in calls if call["what"] == what), led_at) - failed_at
            for what in KINDS
        },
        under_way=under_way,
    )


@contextmanager
def _probe(cluster: Cluster, directory: Path) -> Iterator[None]:
    """Write rows through each node while the block runs."""
    with psycopg.connect(cluster.url(_DATABASE), autocommit=True) as conn:
        conn.execute(f"create table {TABLE} (node text, number bigint)".encode())
    nodes = [f"{name}={cluster.url(_DATABASE, name)}" for name in cluster.nodes]
    with (directory / "probe.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.ha.probe", str(directory), *nodes], stdout=log, stderr=log
        )
        try:
            wait_until(lambda: read_journal(directory / "probe.jsonl"), "a row of the probe")
            yield
        finally:
            process.kill()
            process.wait()


def _count_under_way(cluster: Cluster) -> int:
    with psycopg.connect(cluster.url(_DATABASE)) as conn:
        ((count,),) = conn.execute(
            "select (select count(*) from report where state in ('queued', 'running'))"
            " + (select count(*) from import where source <> 'live' and finished_at is null)"
        ).fetchall()
    return int(count)


def _check_rows(cluster: Cluster, directory: Path) -> None:
    """Every row that any node acknowledged is stored."""
    acknowledged = {(row["node"], row["number"]) for row in read_journal(directory / "probe.jsonl")}
    with psycopg.connect(cluster.url(_DATABASE)) as conn:
        stored = set(conn.execute(f"select node, number from {TABLE}".encode()).fetchall())
    assert acknowledged - stored == set()
