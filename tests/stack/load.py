"""Reports that are asked for without pause, each until its end, while the stack is being shaken."""

import hashlib
import io
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.stack.stack import Stack
from uptill_client import ApiError, ReportStatus, UptillClient

_REFUSALS = (429, 503)  # an outage or too much at once may be said; anything else is a failure
_PAUSE_S = 0.2


class Load:
    """`threads` clients; each asks for a report, follows and downloads it, and compares the bytes."""

    def __init__(self, stack: Stack, key: str, expected: bytes, *, threads: int) -> None:
        self._stack, self._key = stack, key
        self._sha256 = hashlib.sha256(expected).hexdigest()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(threads)]
        self._lock = threading.Lock()
        self.succeeded = 0
        self.refused = 0
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                with self._stack.client(self._key) as client:
                    self._one_report(client)
            except Exception as error:  # noqa: BLE001  whatever went wrong is the result
                with self._lock:
                    self.failures.append(repr(error))
                return

    def _one_report(self, client: UptillClient) -> None:
        accepted = self._insist(lambda: client.create_report(force=True))
        status = accepted
        while not status.is_final:
            status = self._insist(lambda: client.get_report(accepted.id, wait_s=5))
        if status.state != "succeeded":
            raise AssertionError(f"report {status.id} {status.state}: {status.error}")
        received = io.BytesIO()
        client.download(status.files[0], received)
        digest = hashlib.sha256(received.getvalue()).hexdigest()
        with self._lock:
            self.succeeded += 1
            if digest != self._sha256:
                self.failures.append(f"report {status.id} has other bytes than the oracle")

    def _insist(self, call: Callable[[], ReportStatus]) -> ReportStatus:
        """Call again while the API says that it cannot now."""
        while True:
            try:
                return call()
            except ApiError as error:
                if error.status not in _REFUSALS:
                    raise
                with self._lock:
                    self.refused += 1
                time.sleep(_PAUSE_S)
