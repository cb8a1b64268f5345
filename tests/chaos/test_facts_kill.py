"""A worker that is killed while it computes daily facts loses nothing and doubles nothing."""

from datetime import date
from typing import Any

import psycopg
import pytest

from tests.fixtures.failpoints import armed
from tests.fixtures.services import Services, wait_until
from tests.fixtures.small_report import STORES
from uptill_client import UptillClient

FIRST, LAST = date(2024, 10, 9), date(2024, 10, 12)
_ROWS = "select * from store_day order by policy, store_key, local_date"
_MARKS = "select * from store_day_mark order by policy, store_key"


def finish(client: UptillClient) -> None:
    (*_, job) = client.follow_facts(client.build_facts(FIRST, LAST).id, every_s=0.1)
    assert (job.state, job.progress.stores_done) == ("succeeded", STORES), job


def read(services: Services) -> tuple[list[Any], list[Any]]:
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        return conn.execute(_ROWS).fetchall(), conn.execute(_MARKS).fetchall()


@pytest.mark.parametrize(
    "name",
    [
        "complete.before_commit",
        "finalise.after_claim",
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
        job_id = client.build_facts(FIRST, LAST).id
        wait_until(lambda: victim.poll() is not None, "the worker's end")
        services.worker()
        (*_, job) = client.follow_facts(job_id, every_s=0.1)
        assert (job.state, job.progress.stores_done) == ("succeeded", STORES), job
        survived = read(services)
        assert len(survived[0]) == STORES * 4
        with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
            conn.execute("delete from store_day")
            conn.execute("delete from store_day_mark")
        finish(client)
        assert read(services) == survived
