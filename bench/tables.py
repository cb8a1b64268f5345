"""Files of hours and zones on a loaded fleet: how long they take, and how long a live poll waits meanwhile.

Each file changes every row that it brings, which is the slowest case. Live polls arrive one at a time over HTTP.
"""

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from bench.figures import Figure, Target
from bench.live import running_service
from bench.stand import Stand
from services.ingest.run import ingest_paths

ROWS = (10, 1_000, 100_000)
_POLL_EVERY_S = 0.02
_DAYS = 7
_ZONES = ("America/Chicago", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney", "UTC")
# A small file still costs its fixed part: claiming the import, the quality report.
_SMALLEST_S = 1.0


@dataclass
class LivePolls:
    """Sends one poll at a time to an ingest service, every 20 ms at most; `latencies_s` are of acknowledged calls."""

    port: int
    key: str
    store_ids: Sequence[str]
    latencies_s: list[float] = field(default_factory=list)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send while the block runs."""
        stop = threading.Event()
        self.latencies_s = []
        thread = threading.Thread(target=self._send_until, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _send_until(self, stop: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        number = 0
        while not stop.wait(_POLL_EVERY_S):
            number += 1
            # New instants, so that each poll is accepted.
            at = datetime.now(UTC) - timedelta(days=1)
            poll = {
                "store_id": self.store_ids[number % 100],
                "status": "active",
                "observed_at": at.isoformat(),
            }
            asked = time.perf_counter()
            connection.request("POST", "/v1/observations", json.dumps({"observations": [poll]}), headers)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == http.HTTPStatus.OK, body
            self.latencies_s.append(time.perf_counter() - asked)
        connection.close()


def run_tables(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Load files of each size repeatedly, with other values each time."""
    with psycopg.connect(stand.database_url) as conn:
        store_ids = [one for (one,) in conn.execute("select store_id from store order by store_id")]
    figures: list[Figure] = []
    with running_service(stand.database_url, stand.folder) as service:
        live = LivePolls(service.port, stand.env["UPTILL_API_KEY"], store_ids)
        for kind, write_rows in _WRITERS.items():
            for rows in ROWS:
                done = [
                    _load_once(stand, live, kind, write_rows(store_ids, rows, number))
                    for number in range(rounds)
                ]
                name = f"{rows:,} rows of {kind}"
                target_s = max(_SMALLEST_S, rows / 10_000)
                figures.append(Figure(name, "s", [one for one, _ in done], target=Target("<=", target_s)))
                figures.append(
                    Figure(
                        f"a live poll meanwhile, p99, {name}",
                        "ms",
                        [p99_ms for _, p99_ms in done],
                        target=Target("<=", 250),
                    )
                )
    return figures


def _load_once(stand: Stand, live: LivePolls, kind: str, lines: Sequence[str]) -> tuple[float, float]:
    """Return the seconds of the load, and the 99th percentile of live polls in milliseconds while it ran."""
    path = Path(stand.folder, f"bench-{kind}.csv")
    path.write_text("\n".join(lines) + "\n")
    with live.sending():
        # So that even a load of milliseconds meets some polls.
        time.sleep(1.0)
        begun = time.perf_counter()
        (result,) = ingest_paths(stand.database_url, [str(path)])
        took_s = time.perf_counter() - begun
    assert (result.state, result.rejected) == ("succeeded", 0), result
    latencies_ms = [1000 * latency for latency in live.latencies_s]
    p99_ms = statistics.quantiles(latencies_ms, n=100)[98]
    print(
        f"{kind}: {result.rows_read:,} rows in {took_s:.2f} s; {len(latencies_ms)} live polls, p99 {p99_ms:.0f} ms,"
        f" longest {max(latencies_ms):.0f} ms",
        flush=True,
    )
    return took_s, p99_ms


def _hours_lines(store_ids: Sequence[str], rows: int, number: int) -> Sequence[str]:
    """Return whole weeks of stores; more rows than the fleet has days make several intervals a day."""
    lines = ["store_id,dayOfWeek,start_time_local,end_time_local"]
    for row in range(rows):
        store, day = divmod(row, _DAYS)
        interval, place = divmod(store, len(store_ids))
        opens = 6 + 4 * (interval % 4)
        lines.append(
            f"{store_ids[place]},{day},{opens:02}:{number % 60:02}:00,{opens + 3:02}:30:{number % 60:02}"
        )
    return lines


def _zone_lines(store_ids: Sequence[str], rows: int, number: int) -> Sequence[str]:
    lines = ["store_id,timezone_str"]
    for row in range(rows):
        place = row % len(store_ids)
        lines.append(f"{store_ids[place]},{_ZONES[(place + row // len(store_ids) + number) % len(_ZONES)]}")
    return lines


_WRITERS: Mapping[str, Callable[[Sequence[str], int, int], Sequence[str]]] = {
    "hours": _hours_lines,
    "timezones": _zone_lines,
}
