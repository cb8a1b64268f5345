"""A worker that is frozen or dies with batches addressed to it delays them by no more than their grace.

Nothing else would bring them to another worker: there is no scheduler, and no lease or republication ends in time.
"""

import signal
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.services import Services, kill_group, wait_until
from tests.fixtures.small_report import SmallFleet, await_success

_NEVER = {"UPTILL_LEASE_S": "3600", "UPTILL_REPUBLISH_S": "3600", "UPTILL_BATCH_STORES": "4"}
_PRESENCE = (
    "select objid::bigint::integer from pg_locks join pg_stat_activity using (pid)"
    " where locktype = 'advisory' and classid = 1433691240 and application_name like 'uptill-presence %%/' || %s::text"
)


@pytest.mark.parametrize("end", [signal.SIGSTOP, signal.SIGKILL], ids=["frozen", "killed"])
def test_the_batches_of_a_worker_that_does_nothing_are_computed_by_another(
    env: Mapping[str, str], small_fleet: SmallFleet, tmp_path: Path, end: signal.Signals
) -> None:
    small_fleet.load(env["UPTILL_DATABASE_URL"])
    with (
        Services({**env, **_NEVER}, tmp_path) as services,
        psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn,
    ):
        services.api()
        workers = [services.worker() for _ in range(2)]
        found = [
            wait_for_presence(conn, worker.pid) for worker in workers
        ]  # so that the report knows of both
        kill_group(workers[0], signal.SIGSTOP)
        with services.client() as client:
            report_id = client.create_report(force=True).id
        addressed = conn.execute(
            "select count(*) from report_batch where report_id = %s and home = %s", [report_id, found[0]]
        ).fetchone()
        assert addressed is not None
        assert addressed[0] > 0
        kill_group(workers[0], end)
        await_success(services, report_id, small_fleet.expected, tmp_path)


def wait_for_presence(conn: psycopg.Connection, pid: int) -> int:
    rows: list[tuple[int]] = []

    def holds_lock() -> bool:
        rows[:] = conn.execute(_PRESENCE, [pid]).fetchall()
        return bool(rows)

    wait_until(holds_lock, "the presence of a worker")
    return rows[0][0]
