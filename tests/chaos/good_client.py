"""A client with a key that asks for something all the while, as an owner's script does: what it sees of an attack."""

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self
from urllib.parse import urlsplit

import httpx2

from shared.ids import new_id


class GoodClient:
    """Asks again and again on one connection; keeps how long each call took."""

    def __init__(self, url: str, key: str, path: str) -> None:
        self._path = path
        self.took_s: list[float] = []
        self.statuses: set[int] = set()
        self.broken = 0
        self._stop = threading.Event()
        self._http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._http.close()

    def p99_s(self) -> float:
        """The slowest hundredth of its calls so far begins here; infinite while none has ended."""
        return statistics.quantiles(self.took_s, n=100)[98] if len(self.took_s) > 1 else float("inf")

    def figures(self) -> str:
        """Its calls so far, and forget them."""
        p99_s, took, self.took_s = self.p99_s(), self.took_s, []
        if not took:
            return "0 calls"
        return f"{len(took)} calls, p50 {statistics.median(took) * 1000:.0f} ms, p99 {p99_s * 1000:.0f} ms"

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            began = time.monotonic()
            try:
                self.statuses.add(self._http.get(f"{self._path}/{new_id()}").status_code)
            except httpx2.HTTPError:
                self.broken += 1
            self.took_s.append(time.monotonic() - began)


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        yield connection
