"""Calls of a hook: how many a second are committed and answered, and how long each takes at the target rate.

Each call is signed, and has one event of one of 3,678 stores, as platforms send them. The load comes from this process.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx2
import psycopg

from bench.http_load import LoadResult, send_load
from bench.live import make_database, running_service
from services.local.processes import ProcessSet
from services.local.servers import start_servers
from shared.keys import create_key
from shared.webhooks.secret import new_secret, sign_message

STORES: Final = 3678
TARGET_CALLS_PER_S: Final = 3000
CONNECTIONS: Final = 128
_DATABASE = "uptill_bench_hooks"
_START = datetime(2024, 9, 2, tzinfo=UTC)
_MAPPING = {
    "store_id": "/store/id",
    "observed_at": "/event_time",
    "status": "/status",
    "statuses": {"ONLINE": "active", "OFFLINE": "inactive"},
    "reason": "/reason",
    "reasons": {"PAUSED_BY_RESTAURANT": "paused_by_store", "*": "other"},
    "event": True,
}


@dataclass(frozen=True)
class HookRound:
    """Answered calls per second without a limit, and at the target rate with their 99th percentile."""

    highest_per_s: float
    paced_per_s: float
    p99_ms: float


class HookLoad:
    """Signed calls, each with another event. Bodies are made and signed before the clock runs."""

    def __init__(self, port: int, secret: str) -> None:
        self._port, self._secret = port, secret
        self._sent = 0
        self.answered = 0

    def run(self, seconds: float, per_s: float | None) -> LoadResult:
        """Send for some seconds. Fail if a call is refused."""
        planned = int(seconds * (per_s or 3 * TARGET_CALLS_PER_S))
        requests = [self._make(self._sent + number) for number in range(planned)]
        self._sent += planned
        result = send_load(
            self._port, requests.__getitem__, seconds=seconds, connections=CONNECTIONS, per_s=per_s
        ).assert_only(200)
        self.answered += len(result.latencies_s)
        return result

    def _make(self, number: int) -> bytes:
        at = _START + timedelta(seconds=60 * (number // STORES))
        is_online = (number // STORES) % 2 == 0
        body = json.dumps(
            {
                "event_id": f"e{number}",
                "event_time": at.isoformat(),
                "store": {"id": f"{number % STORES:08}-98bf-449b-89ed-15a37ab475e1"},
                "status": "ONLINE" if is_online else "OFFLINE",
                "reason": None if is_online else "PAUSED_BY_RESTAURANT",
            }
        ).encode()
        message, now = f"m{number}", str(int(datetime.now(UTC).timestamp()))
        head = (
            f"POST /v1/hooks/bench HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"webhook-id: {message}\r\nwebhook-timestamp: {now}\r\n"
            f"webhook-signature: v1,{sign_message(self._secret, message, now, body)}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def run_hook_rounds(
    server_url: str, folder: Path, rounds: int = 5, seconds: float = 5.0, workers: int = 2
) -> Sequence[HookRound]:
    """Measure on a separate database, and print."""
    database_url = make_database(server_url, _DATABASE)
    with psycopg.connect(database_url) as conn:
        key = create_key(conn, name="bench", scopes=["admin"])
    done = []
    with running_service(database_url, folder, workers) as port:
        secret = _put_hook(port, key)
        load = HookLoad(port, secret)
        load.run(2.0, None)
        for number in range(rounds):
            highest = load.run(seconds, None)
            paced = load.run(seconds, TARGET_CALLS_PER_S)
            done.append(one := HookRound(highest.per_s, paced.per_s, paced.p99_ms))
            print(
                f"round {number + 1}: at most {one.highest_per_s:,.0f} calls/s, p99 {highest.p99_ms:.0f} ms; of"
                f" {TARGET_CALLS_PER_S:,} offered {one.paced_per_s:,.0f}, p99 {one.p99_ms:.0f} ms",
                flush=True,
            )
    with psycopg.connect(database_url) as conn:
        ((polls, messages, chunks),) = conn.execute(
            "select (select count(*) from observation), (select count(*) from hook_message),"
            " (select count(*) from import_chunk)"
        ).fetchall()
    assert polls == messages == load.answered, f"{load.answered} answered, {polls} polls, {messages} messages"
    print(f"calls a transaction: {polls / chunks:,.0f} on average")
    return done


def _put_hook(port: int, key: str) -> str:
    secret = new_secret()
    answer = httpx2.put(
        f"http://127.0.0.1:{port}/v1/hooks/bench",
        headers={"Authorization": f"Bearer {key}"},
        json={
            "mapping": {**_MAPPING, "unknown_stores": "add"},
            "signature": {"scheme": "standard_webhooks"},
            "secret": secret,
        },
    )
    answer.raise_for_status()
    return secret


def main() -> None:
    """Run on separate durable embedded servers."""
    with (
        tempfile.TemporaryDirectory(prefix="uptill-bench-") as name,
        ProcessSet(Path(name, "logs")) as processes,
    ):
        folder = Path(name)
        (folder / "data").mkdir()
        servers = start_servers(folder / "data", processes).endpoints
        run_hook_rounds(servers.database_url, folder, workers=int(os.environ.get("WORKERS", "2")))


if __name__ == "__main__":
    main()
