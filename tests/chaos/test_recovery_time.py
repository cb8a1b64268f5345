"""How long a killed worker's batch lies still: from SIGKILL to the next claim."""

import random
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from shared.reports.due import count_pending
from tests.chaos.soak.leases import LeaseWatch
from tests.chaos.soak.outcome import quantile
from tests.fixtures.failpoints import armed
from tests.fixtures.services import Services, kill_group, wait_until
from tests.fixtures.small_report import SmallFleet

KILLS = 104
P50_S, P99_S = 1.0, 2.0
_VICTIMS = 4  # started together, killed one after the other
_LEASE_AGE_S = 2.0  # a victim is killed when its lease is so old, at most
_LEASE_S = 600.0  # so that no lease of a victim, which is asleep and renews nothing, ends by itself
_SETTLED = "select pg_postmaster_start_time() < clock_timestamp() - interval '10 seconds'"


def test_a_few_killed_batches_run_again_long_before_their_leases_end(
    env: Mapping[str, str], small_fleet: SmallFleet, tmp_path: Path
) -> None:
    with fleet_to_kill(env, small_fleet, tmp_path) as services:
        waits_s = kill_and_wait(services, kills=2, draw=random.Random(12))
    assert max(waits_s) < _LEASE_S / 10


@pytest.mark.chaos
@pytest.mark.timeout(1500)
def test_a_killed_batch_runs_again_within_the_bound(
    env: Mapping[str, str],
    small_fleet: SmallFleet,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    with fleet_to_kill(env, small_fleet, tmp_path) as services:
        waits_s = kill_and_wait(services, kills=KILLS, draw=random.Random(12))
    measured = (
        f"p50 {quantile(waits_s, 0.5):.2f} s, p99 {quantile(waits_s, 0.99):.2f} s,"
        f" longest {max(waits_s):.2f} s of {len(waits_s)}"
    )
    record_property("measured", f"until a killed batch was claimed again: {measured}")
    assert len(waits_s) >= 100
    assert quantile(waits_s, 0.5) <= P50_S, measured
    assert quantile(waits_s, 0.99) <= P99_S, measured


@contextmanager
def fleet_to_kill(env: Mapping[str, str], fleet: SmallFleet, logs: Path) -> Iterator[Services]:
    """Everything but the victims: the worker that is left takes what they held."""
    fleet.load(env["UPTILL_DATABASE_URL"])
    # So many batches that some are at home at each victim, which then claims them first.
    with Services({**env, "UPTILL_BATCH_STORES": "1"}, logs) as services:
        services.scheduler()
        services.api()
        services.worker()
        with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
            wait_until(lambda: conn.execute(_SETTLED).fetchone() == (True,), "a server that has settled")
        yield services


def kill_and_wait(services: Services, *, kills: int, draw: random.Random) -> Sequence[float]:
    """Kill so many workers over a batch, each at a drawn age of its lease; returns the seconds until it was claimed again.

    A victim falls asleep over its first batch.
    """
    url = services.settings["UPTILL_DATABASE_URL"]
    with closing(LeaseWatch(url)) as watch, psycopg.connect(url, autocommit=True) as conn:
        while len(watch.waits_s) < kills:
            victims = [
                services.start(
                    "services.worker",
                    UPTILL_LEASE_S=str(_LEASE_S),
                    **armed("claim.after_commit", "sleep:600"),
                )
                for _ in range(min(_VICTIMS, kills))
            ]
            for victim in victims:
                _await_sleep(services, watch, conn, victim.pid)
                _await_age(conn, victim.pid, draw.uniform(0, _LEASE_AGE_S))
                kill_group(victim, signal.SIGKILL)
                victim.wait()
                watch.orphaned([victim.pid])
                wait_until(watch.is_over, "the next claim")
        return watch.waits_s


def _await_sleep(services: Services, watch: LeaseWatch, conn: psycopg.Connection, pid: int) -> None:
    with services.client() as client:

        def is_asleep() -> bool:
            if count_pending(conn) == 0:  # what waits in a backlog would be measured too
                client.create_report(force=True)
            return watch.are_at_work([pid])

        wait_until(is_asleep, "a victim that holds a batch", every_s=0.25)


def _await_age(conn: psycopg.Connection, pid: int, age_s: float) -> None:
    """Return when the leases of a process have run for so long."""
    younger = (
        "select exists (select from report_batch where state = 'leased' and worker like '%%/' || %s::text"
        " and lease_until > clock_timestamp() + make_interval(secs => %s))"
    )
    left_s = _LEASE_S - age_s
    wait_until(lambda: conn.execute(younger, [pid, left_s]).fetchone() == (False,), "the moment of the kill")
