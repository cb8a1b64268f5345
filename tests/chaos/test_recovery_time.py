"""How long a batch lies still whose worker was killed, with the default lease: 50 kills and more, and the published bound."""

import random
import signal
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from shared.reports.due import count_pending
from tests.chaos.soak.leases import LeaseWatch
from tests.chaos.soak.outcome import quantile, spread
from tests.fixtures.failpoints import armed
from tests.fixtures.services import Services, kill_group, wait_until
from tests.fixtures.small_report import SmallFleet

BOUND_S = 30.0
ROUNDS, VICTIMS = 16, 4  # some lose their lease before they are killed, and do not count
_LEASE_AGE_S = 8.0  # a victim is killed when its lease is so old, at most
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


def test_a_killed_batch_runs_again_within_the_bound(
    env: Mapping[str, str],
    small_fleet: SmallFleet,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Victims fall asleep over their first batch, and are killed in it at a drawn moment of its lease."""
    url = env["UPTILL_DATABASE_URL"]
    small_fleet.load(url)
    draw = random.Random(12)
    with (
        closing(LeaseWatch(url)) as watch,
        Services({**env, "UPTILL_BATCH_STORES": "15"}, tmp_path) as services,
        psycopg.connect(url, autocommit=True) as conn,
    ):
        services.scheduler()
        services.api()
        services.worker()  # takes what the victims leave
        with services.client() as client:
            for _ in range(ROUNDS):
                victims = [
                    services.start("services.worker.main", **armed("claim.after_commit", "sleep:600"))
                    for _ in range(VICTIMS)
                ]
                for victim in victims:

                    def is_asleep(pid: int = victim.pid) -> bool:
                        watch.look()
                        if count_pending(conn) == 0:  # what waits in a backlog would be measured too
                            client.create_report(force=True)
                        return watch.are_at_work([pid])

                    wait_until(is_asleep, "a victim that holds a batch", every_s=0.25)
                    await_age(conn, victim.pid, draw.uniform(0, _LEASE_AGE_S))
                    kill_group(victim, signal.SIGKILL)
                    watch.orphaned([victim.pid])
            wait_until(watch.is_over, "the last claim")
    record_property("measured", f"until a killed batch was claimed again: {spread(watch.waits_s)}")
    assert len(watch.waits_s) >= 50
    assert quantile(watch.waits_s, 0.99) <= BOUND_S, spread(watch.waits_s)


def await_age(conn: psycopg.Connection, pid: int, age_s: float) -> None:
    """Return when the leases of a process have run for so long, or have been lost."""
    younger = (
        "select exists (select from report_batch where state = 'leased' and worker like '%%/' || %s::text"
        " and lease_until > clock_timestamp() + make_interval(secs => %s))"
    )
    left_s = 20.0 - age_s
    wait_until(lambda: conn.execute(younger, [pid, left_s]).fetchone() == (False,), "the moment of the kill")
