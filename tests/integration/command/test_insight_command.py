"""`uptill insights` and the client's calls against the real services, and a scheduler that asks by itself."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from shared.insight_runs.jobs import AFTER
from tests.fixtures.fleet import load_fleet
from tests.fixtures.services import Services, wait_until
from tests.integration.insights.insight_fleet import FLEET, LATE
from uptill_client import UptillClient

_RUNS = "select count(*) from report where kind = 'insights' and created_by is null"


def test_run_skill_risk_and_patterns(services: Services, client: UptillClient, database_url: str) -> None:
    def run(*arguments: str) -> tuple[str, str]:
        done = services.run("insights", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout, " ".join(done.stderr.split())

    assert "no run yet" in run("skill")[1]
    assert "no run yet" in run("risk")[1]
    load_fleet(database_url, FLEET)
    run_id = run("run")[0].strip()
    assert client.get_insight_run(run_id).state == "succeeded"
    assert client.cancel_insight_run(run_id).state == "succeeded", "it had ended"
    shown = " ".join(run("skill")[0].split())
    assert "risk_1h 2024-10-14 11:30" in shown
    assert "On: its error is" in shown
    methods = json.loads(run("skill", "--json")[0])
    assert [each["method"] for each in methods] == [each.method for each in client.insight_skill()]
    assert LATE in run("patterns")[0]
    assert "Late opening on Sundays" in " ".join(run("patterns", "--store", LATE)[0].split())
    assert json.loads(run("patterns", "--store", "s01", "--json")[0]) == []
    found = json.loads(run("risk", "--limit", "3", "--json")[0])
    assert [each["store_id"] for each in found] == [each.store_id for each in client.risk()][:3]
    assert found[0]["store_id"] in run("risk", "--limit", "1")[0]
    assert run("run", "--no-wait", "--json")[0].startswith("{")


def test_the_scheduler_asks_by_itself(env: Mapping[str, str], database_url: str, tmp_path: Path) -> None:
    load_fleet(database_url, {LATE: FLEET[LATE]})
    with (
        Services({**env, "UPTILL_INSIGHTS": "true", "UPTILL_SWEEP_S": "0.1"}, tmp_path) as services,
        psycopg.connect(database_url, autocommit=True) as conn,
    ):
        services.scheduler()
        wait_until(
            lambda: conn.execute(_RUNS).fetchone() == (1,) or datetime.now(UTC).hour < AFTER.seconds // 3_600,
            "the run of the day",
        )
