"""Live polls: how many a second the ingest service commits, and how long a call waits while 20,000 a second arrive.

Calls of 500 polls over loopback, each a new poll of 500 of 3,678 stores; the load comes from threads of this process.
"""

import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from services.local.ports import free_ports
from services.local.processes import ProcessSet
from services.local.servers import start_servers
from shared.db.migrate import migrate
from shared.keys import create_key

CALL_POLLS = 500
STORES = 3678
TARGET_POLLS_PER_S = 20_000
CONNECTIONS = 8
_DATABASE = "uptill_bench_live"
_START = datetime(2024, 9, 2, tzinfo=UTC)


@dataclass(frozen=True)
class LiveRound:
    """Acknowledged polls per second, unlimited and at the target rate, and the time of a call."""

    highest_polls_per_s: float
    paced_polls_per_s: float
    p50_ms: float
    p99_ms: float


class LiveLoad:
    """Prepared calls, sent over several connections. `latencies_s` holds those of acknowledged calls."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._numbers = itertools.count()
        self.latencies_s: list[float] = []

    def run(self, seconds: float, polls_per_s: int | None) -> float:
        """Send for some seconds, unlimited or at a fixed rate. Return the acknowledged polls per second."""
        planned = int(seconds * (polls_per_s or 3 * TARGET_POLLS_PER_S) / CALL_POLLS)
        bodies = [call_body(next(self._numbers)) for _ in range(planned)]
        self.latencies_s = []
        places = iter(range(planned))
        start = time.perf_counter()
        ends = start + seconds
        interval_s = CALL_POLLS / polls_per_s if polls_per_s else 0.0

        def send() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            for place in places:
                due = start + place * interval_s
                time.sleep(max(0.0, due - time.perf_counter()))
                asked = time.perf_counter()
                if asked > ends and not polls_per_s:
                    break
                connection.request("POST", "/v1/observations", bodies[place], self._headers)
                answer = connection.getresponse()
                body = answer.read()
                assert answer.status == http.HTTPStatus.OK, body
                # Counted from when the call was due: a service that falls behind cannot hide it.
                self.latencies_s.append(time.perf_counter() - (due if polls_per_s else asked))
            connection.close()

        threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(self.latencies_s) * CALL_POLLS / (time.perf_counter() - start)


def call_body(number: int) -> bytes:
    """Return the body of call `number`: all stores in turn, each poll a minute after the store's last one."""
    polls = range(number * CALL_POLLS, (number + 1) * CALL_POLLS)
    return json.dumps(
        {
            "observations": [
                {
                    "store_id": f"{poll % STORES:08}-98bf-449b-89ed-15a37ab475e1",
                    "status": "active" if poll % 7 else "inactive",
                    "observed_at": (_START + timedelta(minutes=poll // STORES)).isoformat(),
                }
                for poll in polls
            ]
        }
    ).encode()


@dataclass(frozen=True)
class RunningIngest:
    """An ingest service: its port, and its process."""

    port: int
    pid: int


@contextmanager
def running_service(database_url: str, folder: Path) -> Iterator[RunningIngest]:
    """Run an ingest service as its own process until the block ends. The folder is for its spool and its log."""
    folder.mkdir(exist_ok=True)
    (port,) = free_ports(1)
    env = os.environ | {"UPTILL_DATABASE_URL": database_url, "UPTILL_SPOOL_DIR": str(folder / "spool")}
    command = ["services.ingest.http", f"--port={port}"]
    with (folder / "live.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", *command], env=env, stdout=log, stderr=log)
    try:
        while not _is_answering(port):
            assert process.poll() is None, (folder / "live.log").read_text()
            time.sleep(0.05)
        yield RunningIngest(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def make_database(server_url: str, name: str) -> str:
    """Make an empty database with the schema, and return its URL."""
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(f"drop database if exists {name} with (force)".encode())
        conn.execute(f"create database {name}".encode())
    database_url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    migrate(database_url)
    return database_url


def run_live_rounds(
    server_url: str, folder: Path, rounds: int = 5, seconds: float = 6.0
) -> Sequence[LiveRound]:
    """Measure on a separate database, and print."""
    database_url = make_database(server_url, _DATABASE)
    with psycopg.connect(database_url) as conn:
        key = create_key(conn, name="bench", scopes=["ingest:write"])
    done, acknowledged = [], 0
    with running_service(database_url, folder) as service:
        load = LiveLoad(service.port, key)
        load.run(2.0, None)
        acknowledged += len(load.latencies_s)
        for number in range(rounds):
            highest = load.run(seconds, None)
            acknowledged += len(load.latencies_s)
            paced = load.run(seconds, TARGET_POLLS_PER_S)
            acknowledged += len(load.latencies_s)
            done.append(one := LiveRound(highest, paced, *percentiles_ms(load)))
            print(
                f"round {number + 1}: at most {highest:,.0f} polls/s; of {TARGET_POLLS_PER_S:,} offered"
                f" {paced:,.0f}, a call p50 {one.p50_ms:.0f} ms, p99 {one.p99_ms:.0f} ms",
                flush=True,
            )
    with psycopg.connect(database_url) as conn:
        ((chunks, polls),) = conn.execute(
            "select (select count(*) from import_chunk), (select count(*) from observation)"
        ).fetchall()
    assert polls == acknowledged * CALL_POLLS, f"{acknowledged * CALL_POLLS} acknowledged, {polls} stored"
    print(f"polls a transaction: {polls / chunks:,.0f} on average")
    return done


def percentiles_ms(load: LiveLoad) -> tuple[float, float]:
    """Return the 50th and 99th percentile of the last run."""
    percentiles = statistics.quantiles((1000 * latency for latency in load.latencies_s), n=100)
    return percentiles[49], percentiles[98]


def _is_answering(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def main() -> None:
    """Run on separate durable embedded servers."""
    with (
        tempfile.TemporaryDirectory(prefix="uptill-bench-") as name,
        ProcessSet(Path(name, "logs")) as processes,
    ):
        folder = Path(name)
        (folder / "data").mkdir()
        servers = start_servers(folder / "data", processes).endpoints
        run_live_rounds(servers.database_url, folder)


if __name__ == "__main__":
    main()
