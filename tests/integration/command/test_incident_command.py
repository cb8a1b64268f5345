"""`uptill alerts rules`, `uptill incidents` and the client's calls, beside a scheduler and a worker at work."""

import json
import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.services import Services, wait_until
from uptill_client import ApiError, UptillClient


def test_from_a_rule_to_a_note(services: Services, client: UptillClient) -> None:
    def run(*arguments: str) -> str:
        done = services.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = run(
        *("alerts", "rules", "set", "down", "store_down", "--parameter", "inactive_polls=1"),
        *("--quiet", "22:00-07:00", "--day", "mon", "--day", "tue", "--digest", "30", "--hold-open", "0"),
    )
    assert "quiet       22:00-07:00 (store)\n" in made
    assert "days        mon tue (store)\n" in made
    assert "inactive_polls=1 guard_after_opening_minutes=10" in made
    assert run("alerts", "rules", "list").splitlines()[1].split() == ["down", "store_down", "all", "-", "0"]
    assert json.loads(run("alerts", "rules", "show", "down", "--json"))["delivery"]["digest_minutes"] == 30
    now = datetime.now(UTC)
    polls = [(now - timedelta(minutes=m), m > 12) for m in range(5, 65, 5)]
    load_fleet(services.settings["UPTILL_DATABASE_URL"], {"0042": Store(polls)})
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        services.scheduler(UPTILL_NOW_EVERY_S="2")
        wait_until(lambda: conn.execute("select 1 from incident").fetchone(), "the incident")
    (incident,) = client.incidents(state=["open"])
    assert incident.store_id == "0042"
    (listed,) = run("incidents", "list").splitlines()[1:]
    assert listed.split()[:4] == [incident.id, "down", "0042", "open"]
    run("incidents", "acknowledge", incident.id, "--note", "calling them")
    run("incidents", "note", incident.id, "they answer")
    shown = run("incidents", "show", incident.id)
    assert "state         acknowledged\n" in shown
    assert "note=they answer" in shown
    assert re.search(r"down_open=0:\d\d:\d\d last_poll=\S+Z usual_gap=0:05:00", shown)
    assert [event.kind for event in client.get_incident(incident.id).events] == [
        *("opened", "acknowledged", "noted", "noted"),
    ]
    run("alerts", "rules", "remove", "down")
    assert run("incidents", "list").splitlines()[1:] == []
    assert "resolved (rule_removed)" in run("incidents", "list", "--all")
    with pytest.raises(ApiError, match="does not exist"):
        client.get_alert_rule("down")
    assert services.run("alerts", "rules", "set", "x", "group_down").returncode == 2
    by_year = ("alerts", "rules", "set", "x", "group_down", "--parameter", "by=2024", "--json")
    assert json.loads(run(*by_year))["parameters"]["by"] == "2024"
    assert services.run(*by_year, "--parameter", "at_least=inf").returncode == 2
    assert "'by' is given twice" in services.run(*by_year, "--parameter", "by=region").stderr
