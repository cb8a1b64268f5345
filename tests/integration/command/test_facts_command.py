"""`uptill facts` and the client's calls against the real services, and a scheduler that asks by itself."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.services import Services, wait_until
from tests.fixtures.terminal import run_in_terminal
from uptill_client import Poll, UptillClient

NOON = datetime(2024, 10, 14, 12, tzinfo=UTC)
_COUNT = "select count(*) from store_day"


def test_after_ctrl_c_the_job_continues(services_without_worker: Services, database_url: str) -> None:
    load_fleet(database_url, {"0042": Store([(NOON, True)])})
    settings = services_without_worker.settings
    code, lines = run_in_terminal(
        *(120, "services.cli", "facts", "build", "--from", "2024-10-12", "--to", "2024-10-14"),
        env={name: value for name, value in settings.items() if name != "COLUMNS"},
        interrupt_at="facts 0",
    )
    with psycopg.connect(database_url) as conn:
        ((job_id, state),) = conn.execute("select id, state from report where kind = 'facts'").fetchall()
    assert (code, state) == (130, "queued")
    assert f"stopped waiting: job {job_id} continues without this command" in lines


def test_build_show_and_cancel(services: Services, client: UptillClient, database_url: str) -> None:
    client.send_polls(Poll("0042", True, NOON - timedelta(minutes=55 * n)) for n in range(50))

    def run(*arguments: str) -> str:
        done = services.run("facts", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    job_id = run("build", "--from", "2024-10-12", "--to", "2024-10-14").strip()
    assert "state          succeeded" in run("show", job_id)
    with psycopg.connect(database_url) as conn:
        assert conn.execute(_COUNT).fetchone() == (3,)
    canceled = json.loads(run("cancel", job_id, "--json"))
    assert (canceled["state"], canceled["progress"]) == ("succeeded", {"stores_done": 1, "stores_total": 1})
    assert [job["id"] for job in json.loads(run("list", "--json"))] == [job_id]
    assert "1 of 1" in run("list", "--state", "succeeded", "--policy", "classic")
    assert job_id not in run("list", "--state", "failed")
    shown = run("export")
    assert re.search(r"^facts/month=2024-10/classic\.parquet +3 +\d+ .* yes$", shown, re.MULTILINE), shown
    export_id = run("export", "--from", "2024-10", "--to", "2024-11", "--force", "--no-wait").strip()
    assert "months    2024-10 to 2024-11" in run("show", export_id)
    assert json.loads(run("cancel", export_id, "--json"))["months_total"] == 2
    refused = services.run("facts", "show", job_id[:-4] + "0000")
    assert refused.returncode == 1
    assert "no export of daily facts" in " ".join(refused.stderr.split())
    refused = services.run("facts", "build", "--from", "2024-10-14", "--to", "2024-10-12")
    assert (refused.returncode, "exchange them" in " ".join(refused.stderr.split())) == (2, True)


def test_the_scheduler_asks_for_the_days_of_the_last_nights(
    env: Mapping[str, str], database_url: str, tmp_path: Path
) -> None:
    load_fleet(database_url, {"a": Store([(datetime.now(UTC) - timedelta(days=5), True)])})
    settings = {
        "UPTILL_FACTS_POLICIES": "classic,hold",
        "UPTILL_FACTS_EXPORT": "true",
        "UPTILL_SWEEP_S": "0.1",
    }
    with (
        Services({**env, **settings}, tmp_path) as services,
        psycopg.connect(database_url, autocommit=True) as conn,
    ):
        services.scheduler()
        services.worker()
        wait_until(
            lambda: (
                conn.execute(
                    "select kind, count(*) from report where state = 'succeeded' group by 1 order by 1"
                ).fetchall()
                == [("facts", 2), ("facts_export", 2)]
                or datetime.now(UTC).hour < 3
            ),
            "the jobs of the night",
        )
        if datetime.now(UTC).hour >= 3:
            assert conn.execute("select count(distinct policy) from store_day").fetchone() == (2,)
