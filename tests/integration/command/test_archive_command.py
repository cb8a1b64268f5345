"""`uptill archive` moves old weeks to the bucket, and `uptill doctor --reconcile` looks for them."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.cli.sealed_objects import check_sealed
from services.ingest.run import ingest_paths
from shared.settings import Settings
from shared.storage import make_storage
from tests.fixtures.services import Services

_POLLS = [f"2024-10-{day:02} 12:00:00 UTC" for day in range(1, 16)]


@pytest.fixture
def services(env: dict[str, str], tmp_path: Path) -> Iterator[Services]:
    """Fifteen days of polls of one store, and one a month later."""
    file = tmp_path / "polls.csv"
    rows = [f"a,active,{at}" for at in (*_POLLS, "2024-11-20 12:00:00 UTC")]
    file.write_text("\n".join(["store_id,status,timestamp_utc", *rows]) + "\n")
    ingest_paths(env["UPTILL_DATABASE_URL"], [str(file)])
    with Services({**env, "UPTILL_SWEEP_S": "0.2", "UPTILL_REPUBLISH_S": "1"}, tmp_path) as services:
        yield services


def test_it_moves_the_weeks_that_ended_before(services: Services, env: dict[str, str]) -> None:
    services.scheduler()
    services.worker()
    done = services.run("archive", "--before", "2024-10-14")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 weeks are in the bucket" in done.stderr + done.stdout
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        assert conn.execute("select sum(rows) from sealed_week").fetchone() == (13,)
        assert conn.execute("select count(*) from observation").fetchone() == (3,)
        ((key,),) = conn.execute("select object from sealed_week order by 1 limit 1")
    # The week of the 14th is left, and the newest one stays in any case.
    rest = services.run("archive", "--before", "2030-01-01", "--json")
    assert rest.returncode == 0, rest.stderr
    found = json.loads(rest.stdout)
    assert (found["state"], found["weeks_sealed"], found["weeks_done"]) == ("succeeded", 1, 1)
    again = services.run("archive", "--before", "2030-01-01")
    assert again.returncode == 0
    assert "nothing to move" in again.stderr + again.stdout
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    settings = Settings.model_validate(values)
    for deep in (False, True):
        assert check_sealed(settings, deep=deep) == ("3 in the bucket, 0 damaged", "", [])
    make_storage(settings).delete(key)
    for deep in (False, True):
        state, advice, (line,) = check_sealed(settings, deep=deep)
        assert state == "3 in the bucket, 1 damaged"
        assert "restore" in advice
        assert key in line


def test_it_does_not_wait_if_it_is_told_so(services: Services, env: dict[str, str]) -> None:
    done = services.run("archive", "--before", "2024-10-14", "--no-wait")
    assert done.returncode == 0, done.stderr
    assert "2 weeks to look at" in done.stderr + done.stdout
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        jobs = conn.execute("select kind, state, first_day::text, last_day::text from report").fetchall()
    assert jobs == [("seal", "queued", "2024-09-30", "2024-10-13")]
