"""`uptill now`, the client's calls and the stream of changes, against the real services with a scheduler."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import psycopg
import pytest
from rich.cells import cell_len

from tests.fixtures.services import Services, wait_until
from tests.fixtures.terminal import run_in_terminal
from uptill_client import ApiError, Poll, StateChange, UptillClient


@pytest.fixture
def live(services: Services) -> Services:
    services.scheduler(UPTILL_SWEEP_S="0.1", UPTILL_NOW_EVERY_S="1")
    return services


def send(client: UptillClient, store_id: str, *, active: bool) -> None:
    client.send_polls([Poll(store_id, active, datetime.now(UTC))])


def wait_for_state(client: UptillClient, store_id: str, state: str) -> None:
    def has_state() -> bool:
        try:
            return client.store_now(store_id).state == state
        except ApiError as error:
            return error.code != "store_not_found"

    wait_until(has_state, f"store {store_id} being {state}")


def test_the_command_and_the_client(live: Services, client: UptillClient) -> None:
    now = datetime.now(UTC)
    client.send_polls(Poll("0042", True, now - timedelta(minutes=10 * n)) for n in range(1, 8))
    client.send_polls(Poll("0043", n > 2, now - timedelta(minutes=10 * n)) for n in range(1, 8))
    wait_for_state(client, "0042", "up")
    wait_for_state(client, "0043", "down")
    assert [store.store_id for store in client.now(states=["down"])] == ["0043"]
    assert client.now_summary().states["up"] == 1

    done = live.run("now", "--once")
    assert done.returncode == 0, done.stderr
    titles, first, second = done.stdout.splitlines()
    assert titles.split() == [
        "store", "state", "since", "last", "poll", "until", "today", "up", "today", "down",
    ]  # fmt: skip
    assert first.startswith("0042   up")
    assert "or before" in first
    assert second.startswith("0043   down, 2 polls")
    assert "1 up, 1 down" in done.stderr
    shown = json.loads(live.run("now", "--json", "--state", "down").stdout)
    assert [store["store_id"] for store in shown["stores"]] == ["0043"]
    assert shown["summary"]["states"]["down"] == 1
    assert live.run("now", "--label", "oops").returncode == 2
    told = live.run("now", "--label", "region=nowhere", "--once").stderr
    assert "no store has region=nowhere" in told
    assert "load polls" not in told

    with psycopg.connect(live.settings["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("update store set timezone = 'Mars/Olympus' where store_id = '0043'")
    done = live.run("now", "--once")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3), done.stderr
    assert "unknown time zone 'Mars/Olympus': times of its stores are shown in UTC" in done.stderr
    refused = live.run("stores", "timeline", "0043", "--from", "2024-10-14T08:00")
    assert refused.returncode == 2
    assert "unknown time zone 'Mars/Olympus': correct" in refused.stderr


@pytest.mark.usefixtures("live")
def test_changes_are_streamed_and_resumed(client: UptillClient) -> None:
    client.send_polls(Poll("a", True, datetime.now(UTC) - timedelta(minutes=n)) for n in range(1, 5))
    wait_for_state(client, "a", "up")
    changes: Iterator[StateChange] = client.now_changes(states=["down", "up"], after_id=0)
    send(client, "a", active=False)
    first = next(changes)
    assert (first.store_id, first.was, first.state) == ("a", "up", "down")
    assert first.since_earliest is not None
    assert first.since_latest is not None
    assert first.since_earliest < first.since_latest <= first.at
    send(client, "a", active=True)
    second = next(changes)
    assert (second.was, second.state) == ("down", "up")
    assert second.id > first.id
    assert list(islice(client.now_changes(after_id=first.id), 1)) == [second]


@pytest.mark.parametrize("columns", [50, 120])
def test_a_terminal_refreshes_until_ctrl_c(columns: int, live: Services, client: UptillClient) -> None:
    env = {name: value for name, value in live.settings.items() if name != "COLUMNS"}
    client.send_polls(Poll("0042", n != 1, datetime.now(UTC) - timedelta(minutes=n)) for n in range(1, 5))
    wait_for_state(client, "0042", "down")
    code, lines = run_in_terminal(columns, "services.cli", "now", env=env, interrupt_at="down, 1 poll")
    assert code == 0
    assert any(line.startswith("0042") for line in lines), lines
    assert any("1 down (" in line for line in lines), lines
    assert max(map(cell_len, lines)) <= columns
