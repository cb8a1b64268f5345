"""One key next to a greedy one: its small report behind long reports, and its webhook behind a receiver that hangs."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

import psycopg

from bench.figures import Figure, Target
from bench.stand import Stand
from shared.keys import create_key
from tests.fixtures.receiver import Receiver, receiver
from tests.fixtures.services import Services, wait_until
from uptill_client import UptillClient

_LONG_REPORTS = 18
_LONG = ["P366D", "P365D"]
_HELD_WEBHOOKS = 120
_PATIENCE_S = 180.0
_MEASURED_S = 20.0


def run_fairness(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Measure an owner's report of one store, and another key's delivery, idle and under the greedy key's load."""
    owner, greedy = _create_keys(stand)
    more = {"UPTILL_WEBHOOK_ALLOW_PRIVATE": "true"}
    figures: list[Figure] = []
    with Services({**stand.env, **more}, stand.folder / "logs", warm=False) as services:
        services.api()
        services.scheduler()
        url = services.settings["UPTILL_API_URL"]
        with UptillClient(url, owner) as small, UptillClient(url, greedy) as large:
            for workers in (1, 2):
                services.worker()
                figures += _measure_reports(small, large, rounds, f"{workers} worker{'s' * (workers > 1)}")
            figures += _measure_deliveries(small, large)
    return figures


def _measure_reports(small: UptillClient, large: UptillClient, rounds: int, how: str) -> list[Figure]:
    idle = _small_reports(small, rounds)
    began = time.perf_counter()
    long = [large.create_report(force=True, windows=_LONG, policy="classic").id for _ in range(_LONG_REPORTS)]
    wait_until(lambda: large.get_report(long[0]).state != "queued", "the load")
    beside = _small_reports(small, 4 * rounds)
    open_still = sum(not large.get_report(report_id).is_final for report_id in long)
    for report_id in long:
        large.finished(report_id)
    all_s = time.perf_counter() - began
    name = f"an owner's report, {how}"
    return [
        Figure(f"{name}, idle", "s", idle),
        Figure(f"{name}, beside {_LONG_REPORTS} long ones", "s", beside),
        Figure(f"{name}, beside / idle", "x", [median(beside) / median(idle)], target=Target("<=", 5)),
        Figure(f"{_LONG_REPORTS} long reports, {how}", "s", [all_s]),
        Figure(f"long reports open when measured, {how}", "", [open_still], target=Target(">=", 1)),
    ]


def _measure_deliveries(small: UptillClient, large: UptillClient) -> list[Figure]:
    small.make_webhook_secret()
    large.make_webhook_secret()
    with receiver() as hook, _tarpit() as held:
        idle = [_time_delivery(small, hook) for _ in range(3)]
        for number in range(_HELD_WEBHOOKS):
            large.create_report(webhook_url=f"http://127.0.0.1:{held.port}/{number}")
        wait_until(lambda: held.connections > 0, "the tarpit's first connection")
        beside = [_time_delivery(small, hook) for _ in range(3)]
    return [
        Figure("another key's webhook, idle", "s", idle),
        Figure(f"another key's webhook, beside {_HELD_WEBHOOKS} to a tarpit", "s", beside),
    ]


def _time_delivery(client: UptillClient, hook: Receiver) -> float:
    before, began = len(hook.received), time.perf_counter()
    client.create_report(force=True, webhook_url=hook.url)
    wait_until(lambda: len(hook.received) > before, "the delivery", within_s=_PATIENCE_S)
    return time.perf_counter() - began


class _Tarpit:
    """A receiver that accepts connections, reads everything, and never answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                self._held.append(self._listener.accept()[0])
            except OSError:
                return
            self.connections += 1

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._held:
            one.close()


@contextmanager
def _tarpit() -> Iterator[_Tarpit]:
    held = _Tarpit()
    try:
        yield held
    finally:
        held.close()


def _small_reports(client: UptillClient, count: int) -> list[float]:
    """Return seconds from trigger to link of consecutive reports, within a time limit."""
    seconds: list[float] = []
    until = time.perf_counter() + _MEASURED_S
    while len(seconds) < count and (not seconds or time.perf_counter() < until):
        began = time.perf_counter()
        client.finished(client.create_report(force=True).id)
        seconds.append(time.perf_counter() - began)
    return seconds


def _create_keys(stand: Stand) -> tuple[str, str]:
    """Return a key limited to one store, and a key for all stores."""
    writes = ["reports:read", "reports:write"]
    with psycopg.connect(stand.database_url) as conn:
        conn.execute('update store set labels = labels || \'{"owner": "anna"}\' where store_key = 1')
        return (
            create_key(conn, name="owner", scopes=writes, store_labels={"owner": "anna"}),
            create_key(conn, name="greedy", scopes=writes),
        )
