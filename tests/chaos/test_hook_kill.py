"""A sender repeats a call of a hook until it is answered, whatever is killed: its polls and rejected items count once."""

import json
import signal
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
from standardwebhooks import Webhook

from shared.keys import create_key
from shared.webhooks.secret import new_secret
from tests.fixtures.failpoints import armed
from tests.fixtures.services import Services, answers, kill_group, wait_until
from tests.integration.ingest.database import check_ledger

START = datetime(2024, 9, 2, tzinfo=UTC)
SENDERS, KILLS = 4, 2
HOOK = {
    "mapping": {
        "each": "/events", "store_id": "/s", "observed_at": "/t", "status": "/x", "event": True,
    },
    "signature": {"scheme": "standard_webhooks"},
}  # fmt: skip


def payload(sender: int, number: int) -> bytes:
    """One known store and one unknown one, at an instant that no other call has."""
    at = (START + timedelta(minutes=number)).isoformat()
    events = [{"s": store, "t": at, "x": "inactive"} for store in (f"s{sender}", "unknown")]
    return json.dumps({"events": events}).encode()


class HookSender:
    """Signs calls; each attempt of a call has its id."""

    def __init__(self, url: str, secret: str, number: int) -> None:
        self.url, self.number, self._webhook = f"{url}/v1/hooks/pos", number, Webhook(secret)

    def attempt(self, client: httpx2.Client, number: int) -> dict[str, Any] | None:
        """Return the answer, or None if there is none or it asks to try again."""
        body, at, message = payload(self.number, number), datetime.now(UTC), f"{self.number}-{number}"
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(message, at, body.decode()),
        }
        try:
            answer = client.post(self.url, content=body, headers=headers)
        except httpx2.HTTPError:
            return None
        if answer.status_code >= 500:
            return None
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def prepare(settings: Mapping[str, str]) -> str:
    """Make the stores and return an administrator's key."""
    with psycopg.connect(settings["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("insert into store (store_id) select 's' || n from generate_series(0, %s) n", [SENDERS])
        return create_key(conn, name="hooks", scopes=["admin"])


def put_hook(url: str, key: str, secret: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx2.put(f"{url}/v1/hooks/pos", json={**HOOK, "secret": secret}, headers=headers)
    assert answer.status_code == 200, answer.text


def check_once(settings: Mapping[str, str], calls: int) -> None:
    """Each call has one poll, one rejected item and one id, and the ledger adds up."""
    with psycopg.connect(settings["UPTILL_DATABASE_URL"]) as conn:
        found = conn.execute(
            "select (select count(*) from observation), (select count(*) from poll_note),"
            " (select count(*) from import_reject), (select count(*) from hook_message)"
        ).fetchone()
    assert found == (calls,) * 4
    check_ledger(settings["UPTILL_DATABASE_URL"])


def start_ingest(services: Services, url: str, **extra: str) -> Any:
    process = services.start("services.ingest.http", f"--port={urlsplit(url).port}", **extra)
    wait_until(lambda: answers(f"{url}/readyz"), "the ingest service")
    return process


@pytest.mark.parametrize("action", ["kill", pytest.param("raise", marks=pytest.mark.chaos)])
@pytest.mark.parametrize("name", ["hooks.before_commit", "hooks.after_commit"])
def test_a_call_that_is_repeated_counts_once(
    name: str, action: str, env: Mapping[str, str], tmp_path: Path
) -> None:
    settings = {**env, "UPTILL_SPOOL_DIR": str(tmp_path / "spool")}
    url, secret, key = settings["UPTILL_API_URL"], new_secret(), prepare(settings)
    sender = HookSender(url, secret, 0)
    with Services(settings, tmp_path) as services, httpx2.Client(timeout=30) as client:
        victim = start_ingest(services, url, **armed(name, action))
        put_hook(url, key, secret)
        assert sender.attempt(client, 0) is None
        if action == "kill":
            victim.wait()
            start_ingest(services, url)
        # The connection of an answer that failed may be closed.
        attempts = (sender.attempt(client, 0) for _ in range(5))
        answer = next(found for found in attempts if found is not None)
    is_stored = name == "hooks.after_commit"
    assert (answer["replayed"], answer["accepted"]) == (is_stored, int(not is_stored))
    check_once(settings, 1)


class RepeatingSender(threading.Thread):
    """Sends calls one after the other, each until it is answered."""

    def __init__(self, sender: HookSender) -> None:
        super().__init__(daemon=True)
        self._sender = sender
        self.answered = self.repeated = 0
        self.done = threading.Event()

    def run(self) -> None:
        with httpx2.Client(timeout=30) as client:
            while not self.done.is_set():
                while self._sender.attempt(client, self.answered) is None:
                    self.repeated += 1
                    self.done.wait(0.05)
                self.answered += 1

    def await_more(self, calls: int) -> None:
        goal = self.answered + calls
        wait_until(lambda: self.answered >= goal, "calls that are answered")


@pytest.mark.parametrize("kills", [KILLS, pytest.param(10 * KILLS, marks=pytest.mark.chaos)])
def test_calls_survive_sigkill_under_load(kills: int, env: Mapping[str, str], tmp_path: Path) -> None:
    settings = {**env, "UPTILL_SPOOL_DIR": str(tmp_path / "spool")}
    url, secret, key = settings["UPTILL_API_URL"], new_secret(), prepare(settings)
    senders = [RepeatingSender(HookSender(url, secret, number)) for number in range(SENDERS)]
    with Services(settings, tmp_path) as services:
        for kill in range(kills + 1):
            process = start_ingest(services, url)
            if kill == 0:
                put_hook(url, key, secret)
                for sender in senders:
                    sender.start()
            for sender in senders:
                sender.await_more(4)
            if kill < kills:
                kill_group(process, signal.SIGKILL)
                process.wait()
        for sender in senders:
            sender.done.set()
        for sender in senders:
            sender.join()
    assert sum(sender.repeated for sender in senders) >= kills, "no kill hit the load"
    check_once(settings, sum(sender.answered for sender in senders))
