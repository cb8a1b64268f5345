"""Calls of a hook: how many a second are committed and answered, and how long each takes at the target rate.

Each call is signed, and has one event of one of 3,678 stores, as platforms send them. The load comes from this process.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx2
import psutil
import psycopg

from bench.http_load import LoadResult, send_load
from bench.live import make_database, running_service
from bench.processes import cpu_seconds
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
    """Answered calls per second without a limit, and at the target rate with their 99th percentile.

    `cpu_us`: processor time of a call by program, without a limit.
    """

    highest_per_s: float
    paced_per_s: float
    p99_ms: float
    cpu_us: Mapping[str, float]


class HookLoad:
    """Signed calls, each with another event. Bodies are made and signed before the clock runs."""

    def __init__(self, ports: Sequence[int], secret: str) -> None:
        self._ports, self._secret = ports, secret
        self._sent = 0
        self.answered = 0

    def run(self, seconds: float, per_s: float | None) -> LoadResult:
        """Send for some seconds. Fail if a call is refused."""
        planned = int(seconds * (per_s or 3 * TARGET_CALLS_PER_S))
        requests = [self._make(self._sent + number) for number in range(planned)]
        self._sent += planned
        first, *siblings = self._ports
        result = send_load(
            first,
            requests.__getitem__,
            seconds=seconds,
            connections=CONNECTIONS,
            per_s=per_s,
            siblings=siblings,
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
    server_url: str, folder: Path, rounds: int = 5, seconds: float = 5.0, services: int = 2
) -> Sequence[HookRound]:
    """Measure on a separate database, and print."""
    database_url = make_database(server_url, _DATABASE)
    with psycopg.connect(database_url) as conn:
        key = create_key(conn, name="bench", scopes=["admin"])
    done = []
    with ExitStack() as stack:
        running = [
            stack.enter_context(running_service(database_url, folder / f"{n}")) for n in range(services)
        ]
        load = HookLoad([one.port for one in running], _put_hook(running[0].port, key))
        load.run(2.0, None)
        programs = {"Postgres": _find_postgres(database_url)}
        programs |= {f"ingest {number}": one.pid for number, one in enumerate(running, 1)}
        for number in range(rounds):
            before_s = cpu_seconds(programs)
            highest = load.run(seconds, None)
            used_s = {name: after_s - before_s[name] for name, after_s in cpu_seconds(programs).items()}
            paced = load.run(seconds, TARGET_CALLS_PER_S)
            calls = len(highest.latencies_s)
            cpu_us = {name: 1e6 * own_s / calls for name, own_s in (*used_s.items(), ("load", highest.cpu_s))}
            done.append(one := HookRound(highest.per_s, paced.per_s, paced.p99_ms, cpu_us))
            print(
                f"round {number + 1}: at most {one.highest_per_s:,.0f} calls/s, p99 {highest.p99_ms:.0f} ms; of"
                f" {TARGET_CALLS_PER_S:,} offered {one.paced_per_s:,.0f}, p99 {one.p99_ms:.0f} ms;"
                f" CPU of a call: {', '.join(f'{name} {us:.0f} us' for name, us in cpu_us.items())}",
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


def _find_postgres(database_url: str) -> int:
    """Return the process that is the parent of all sessions."""
    with psycopg.connect(database_url) as conn:
        return psutil.Process(conn.info.backend_pid).ppid()


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
        run_hook_rounds(
            servers.database_url,
            folder,
            rounds=int(os.environ.get("ROUNDS", "5")),
            services=int(os.environ.get("SERVICES", "2")),
        )


if __name__ == "__main__":
    main()
