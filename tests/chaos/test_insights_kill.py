"""A worker that is killed while it counts hours or concludes loses nothing and doubles nothing."""

from typing import Any

import psycopg
import pytest

from tests.fixtures.failpoints import armed
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import STORES
from uptill_client import UptillClient

_HOURS = "select store_key, last_day, minutes, coming from store_hours order by store_key"
_SKILL = "select method, is_on, reason, hours, scores from insight_skill order by method"


def read(services: Services) -> tuple[list[Any], list[Any]]:
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        return conn.execute(_HOURS).fetchall(), conn.execute(_SKILL).fetchall()


def finish(client: UptillClient, run_id: str) -> None:
    (*_, run) = client.follow_insight_run(run_id, every_s=0.1)
    assert (run.state, run.progress.stores_done) == ("succeeded", STORES), run


@pytest.mark.parametrize(
    "name",
    [
        "complete.before_commit",
        "finish.before_commit",
        pytest.param("finalise.after_claim", marks=pytest.mark.chaos),
        pytest.param("claim.after_commit", marks=pytest.mark.chaos),
        pytest.param("compute.after", marks=pytest.mark.chaos),
        pytest.param("complete.after_commit", marks=pytest.mark.chaos),
    ],
)
def test_a_worker_is_killed_at(name: str, idle_services: Services) -> None:
    services = idle_services
    services.scheduler()
    services.api()
    victim = services.worker(**armed(name, "kill"))
    with services.client() as client:
        run_id = client.run_insights().id
        wait_until(lambda: victim.poll() is not None, "the worker's end")
        services.worker()
        finish(client, run_id)
        survived = read(services)
        assert len(survived[0]) == STORES
        assert len(survived[1]) == 9
        with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
            conn.execute("delete from store_hours")
            conn.execute("delete from insight_skill")
        finish(client, client.run_insights().id)
        assert read(services) == survived
