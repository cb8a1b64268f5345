"""The page of BI tools: its SQL, its pandas example, and every panel of the dashboards, with the login of a reader."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.worker.context import WorkerContext
from shared.uptime.policy import POLICIES, can_add_days
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.logins import login_url
from tests.integration.command.test_client import blocks
from tests.integration.facts.test_facts_walk import build

NOON = datetime(2024, 10, 14, 12, tzinfo=UTC)
FIRST, LAST = date(2024, 10, 10), date(2024, 10, 14)
BOARDS = [Path("deploy/grafana/dashboards") / name for name in ("store.json", "label.json")]
# As Grafana fills them in.
FILLED = {
    "$__timeFrom()": f"'{FIRST}T00:00:00Z'",
    "$__timeTo()": f"'{LAST}T23:59:59Z'",
    "${policy:sqlstring}": "'classic'",
    "${store:sqlstring}": "'0042'",
    "${label:sqlstring}": "'region'",
}


@pytest.fixture
def reader(database_url: str, worker: WorkerContext) -> Iterator[psycopg.Connection]:
    polls = [(NOON + timedelta(hours=n), n % 5 != 0) for n in range(-120, 120)]
    load_fleet(database_url, {"0042": Store(polls), "0043": Store(polls, "Asia/Kathmandu"), "0044": Store()})
    with psycopg.connect(database_url) as conn:
        conn.execute("""update store set labels = '{"region": "north"}' where store_id = '0042'""")
    build(database_url, worker, FIRST, LAST)
    with psycopg.connect(login_url(database_url, "uptill_readonly"), autocommit=True) as conn:
        yield conn


def board(path: Path) -> Any:
    return json.loads(path.read_text())


def filled(text: str) -> str:
    for name, value in FILLED.items():
        text = text.replace(name, value)
    assert "$" not in text
    return text


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_panel_of_a_dashboard_shows_something(path: Path, reader: psycopg.Connection) -> None:
    for panel in board(path)["panels"]:
        (target,) = panel["targets"]
        found = reader.execute(filled(target["rawSql"]).encode())
        rows = found.fetchall()
        assert rows, panel["title"]
        assert not all(value is None for row in rows for value in row), panel["title"]
        if target["format"] == "time_series":
            assert found.description is not None
            assert found.description[0].name == "time"
            assert all(row[0].tzinfo for row in rows)
            assert len({row[0] for row in rows}) == 5


def test_the_dashboards_ask_only_the_views_and_name_every_policy_whose_days_add_up() -> None:
    names = [policy.name for policy in POLICIES.values() if can_add_days(policy)]
    for path in BOARDS:
        text = path.read_text()
        assert {"reporting"} == {
            table.partition(".")[0] for table in re.findall(r"(?:from|join) (\w+\.\w+|\w+)", text)
        }
        (policy,) = [each for each in board(path)["templating"]["list"] if each["name"] == "policy"]
        assert policy["query"].split(",") == names


def test_the_variable_of_labels_lists_them(reader: psycopg.Connection) -> None:
    (label,) = [each for each in board(BOARDS[1])["templating"]["list"] if each["name"] == "label"]
    assert reader.execute(label["query"].encode()).fetchall() == [("region",)]


def test_the_sql_of_the_pages_runs(reader: psycopg.Connection) -> None:
    statements = [*blocks("docs/how-to/bi.md", "sql"), *blocks("docs/how-to/facts.md", "sql")]
    assert len(statements) == 4
    for statement in statements:
        if "role" not in statement:
            reader.execute(statement.encode())


def test_the_pandas_example(reader: psycopg.Connection, database_url: str) -> None:
    (code,) = blocks("docs/how-to/bi.md", "python")
    names: dict[str, Any] = {"readonly_url": login_url(database_url, "uptill_readonly")}
    exec(code, names)
    worst, expected = (
        names["worst"],
        reader.execute(
            "select store_id, sum(up_us)::float8 / sum(up_us + down_us) from reporting.store_days group by 1 order by 2, 1"
        ).fetchall(),
    )

    assert dict(worst.availability) == pytest.approx(dict(expected))
