"""SIGKILL of the ingest service under load: every poll that was acknowledged is there, and the ledger adds up."""

import signal
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psycopg

from tests.fixtures.services import Services, answers, kill_group, wait_until
from tests.integration.ingest.database import check_ledger

START = datetime(2024, 9, 2, tzinfo=UTC)
CALL_POLLS = 100
SENDERS = 6
KILLS = 2


def call(sender: int, number: int) -> list[dict[str, str]]:
    """Polls that no other call has."""
    at = START + timedelta(minutes=number)
    return [
        {"store_id": f"{sender}-{store}", "status": "active", "observed_at": at.isoformat()}
        for store in range(CALL_POLLS)
    ]


class Sender(threading.Thread):
    """Sends calls one after the other; one that was not answered is not sent again."""

    def __init__(self, number: int, url: str, key: str) -> None:
        super().__init__(daemon=True)
        self.number, self.url, self.headers = number, url, {"Authorization": f"Bearer {key}"}
        self.acknowledged: list[int] = []
        self.lost = 0
        self.done = threading.Event()

    def run(self) -> None:
        with httpx2.Client(base_url=self.url, headers=self.headers, timeout=30) as client:
            number = 0
            while not self.done.is_set():
                try:
                    answer = client.post("/v1/observations", json={"observations": call(self.number, number)})
                    if answer.status_code == 200:
                        assert answer.json()["accepted"] == CALL_POLLS
                        self.acknowledged.append(number)
                except httpx2.HTTPError:
                    self.lost += 1
                    self.done.wait(0.1)
                number += 1

    def await_more(self, calls: int) -> None:
        """Return after so many more calls were acknowledged."""
        goal = len(self.acknowledged) + calls
        wait_until(lambda: len(self.acknowledged) >= goal, "calls that are acknowledged")


def test_what_was_acknowledged_survives_sigkill(env: Mapping[str, str], tmp_path: Path) -> None:
    settings = {**env, "UPTILL_SPOOL_DIR": str(tmp_path / "spool")}
    url = settings["UPTILL_API_URL"]  # a free port
    with Services(settings, tmp_path) as services:
        senders = [Sender(number, url, settings["UPTILL_API_KEY"]) for number in range(SENDERS)]
        for kill in range(KILLS + 1):
            process = services.start("services.ingest.http", f"--port={urlsplit(url).port}")
            wait_until(lambda: answers(f"{url}/readyz"), "the ingest service")
            if kill == 0:
                for sender in senders:
                    sender.start()
            for sender in senders:
                sender.await_more(5)
            if kill < KILLS:
                kill_group(process, signal.SIGKILL)
                process.wait()
        for sender in senders:
            sender.done.set()
        for sender in senders:
            sender.join()
    assert all(sender.lost >= KILLS for sender in senders), "no kill hit the load"
    with psycopg.connect(settings["UPTILL_DATABASE_URL"]) as conn:
        stored: dict[str, int] = dict(
            conn.execute(
                "select (split_part(store_id, '-', 1), observed_at)::text, count(*)"
                " from observation join store using (store_key) group by split_part(store_id, '-', 1), observed_at"
            ).fetchall()
        )
        for sender in senders:
            for number in sender.acknowledged:
                at = START + timedelta(minutes=number)
                assert stored.pop(f'({sender.number},"{at:%Y-%m-%d %H:%M:%S}+00")') == CALL_POLLS
        assert set(stored.values()) <= {CALL_POLLS}, "a call is there as a whole or not at all"
        assert conn.execute("select count(*) from import where source = 'live'").fetchone() == (1,)
    check_ledger(settings["UPTILL_DATABASE_URL"])
