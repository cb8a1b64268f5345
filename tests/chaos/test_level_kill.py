"""A worker that is killed while it evaluates a service level leaves the last evaluation whole, and the level becomes due again."""

from typing import Any

import psycopg
import pytest

from tests.fixtures.failpoints import armed
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import STORES

_RESULTS = (
    "select name, ago, first_day, last_day, through, as_of, data_cut, state, counted_us, down_us, last_counted_us, last_down_us,"
    " ahead_us, days_missing, stores, stores_failed from service_level_result order by name, ago"
)
_STORES = "select * from service_level_store order by name, ago, store_key"
# As if the time of the lease had passed.
_LEASE_ENDS = "update service_level set due_at = clock_timestamp()"


def read(conn: psycopg.Connection) -> tuple[list[Any], list[Any]]:
    return conn.execute(_RESULTS).fetchall(), conn.execute(_STORES).fetchall()


@pytest.mark.parametrize(
    "name",
    [
        "level.before_commit",
        pytest.param("level.after_claim", marks=pytest.mark.chaos),
        pytest.param("level.after_commit", marks=pytest.mark.chaos),
    ],
)
def test_a_worker_is_killed_at(name: str, idle_services: Services) -> None:
    services = idle_services
    services.scheduler()
    services.api()
    with (
        services.client() as client,
        psycopg.connect(services.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn,
    ):
        client.set_service_level("fleet", 0.97)
        victim = services.worker(**armed(name, "kill"))
        wait_until(lambda: victim.poll() is not None, "the worker's end")
        left = read(conn)
        if name == "level.after_commit":
            assert [len(rows) for rows in left] == [2, 2 * STORES]
        else:
            assert left == ([], []), "nothing is stored in part"
        ((is_due,),) = conn.execute("select due_at <= clock_timestamp() from service_level").fetchall()
        assert not is_due, "no other worker takes the level before the lease has ended"
        conn.execute(_LEASE_ENDS)
        services.worker()
        client.await_service_level("fleet")
        survived = read(conn)
        assert [len(rows) for rows in survived] == [2, 2 * STORES]
        # The same terms again are a new revision, which is evaluated from nothing.
        client.set_service_level("fleet", 0.97)
        client.await_service_level("fleet")
        assert read(conn) == survived
