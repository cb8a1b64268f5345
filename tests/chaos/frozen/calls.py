"""The kinds of calls, and callers that make them all the while. They note the status and the time of each answer."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2

from tests.fixtures.private_stack import PrivateStack

_EVERY_S = 2.0  # one caller's pace
_PATIENCE_S = 90.0


@dataclass
class Times:
    """The answers to one kind of call: how often each status came, and how long each took."""

    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def note(self, answer: str, seconds: float) -> None:
        self.answers[answer] += 1
        self.seconds.append(seconds)

    def percentile(self, share: float) -> float:
        """The smallest time that `share` of the answers did not exceed; 0 without answers."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def __str__(self) -> str:
        answers = " ".join(f"{answer}:{count}" for answer, count in sorted(self.answers.items()))
        p50, p99 = self.percentile(0.5), self.percentile(0.99)
        return f"p50 {p50:7.3f}  p99 {p99:7.3f}  max {max(self.seconds, default=0):7.3f} s  {answers}"


Call = Callable[[httpx2.Client], httpx2.Response]


def kinds(api: str, ingest: str, report_id: str) -> Mapping[str, Call]:
    """Return each kind of call by its name, for an installation that has one finished report."""
    poll = {"store_id": "live-1", "status": "active", "observed_at": datetime.now(UTC).isoformat()}
    return {
        "POST report": lambda http: http.post(f"{api}/v1/reports", json={"force": True}),
        "GET report": lambda http: http.get(f"{api}/v1/reports/{report_id}"),
        "GET reports": lambda http: http.get(f"{api}/v1/reports?limit=5"),
        "GET stores": lambda http: http.get(f"{api}/v1/stores?limit=5"),
        "GET file": lambda http: http.get(f"{api}/v1/reports/{report_id}/files/report.csv"),
        "api readyz": lambda http: http.get(f"{api}/readyz"),
        "api livez": lambda http: http.get(f"{api}/livez"),
        "POST polls": lambda http: http.post(f"{ingest}/v1/observations", json={"observations": [poll]}),
        "GET imports": lambda http: http.get(f"{ingest}/v1/imports?limit=5"),
        "ingest readyz": lambda http: http.get(f"{ingest}/readyz"),
        "ingest livez": lambda http: http.get(f"{ingest}/livez"),
    }


class Callers:
    """So many threads for each kind of call, from `start` to `stop`."""

    def __init__(self, stack: PrivateStack, report_id: str, at_once: int) -> None:
        self._headers = {"Authorization": f"Bearer {stack.settings['UPTILL_API_KEY']}"}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        named = kinds(stack.settings["UPTILL_API_URL"], stack.settings["UPTILL_INGEST_URL"], report_id)
        self.times = {name: Times() for name in named}
        self._threads = [
            threading.Thread(target=self._run, args=(name, call, number / at_once), daemon=True)
            for name, call in named.items()
            for number in range(at_once)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no more calls, and wait for the answers to those under way."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_PATIENCE_S)

    def _run(self, name: str, call: Call, phase: float) -> None:
        with httpx2.Client(headers=self._headers, timeout=_PATIENCE_S) as http:
            self._stopping.wait(phase * _EVERY_S)
            while not self._stopping.is_set():
                began_s = time.monotonic()
                try:
                    answer = str(call(http).status_code)
                except httpx2.HTTPError as error:
                    answer = type(error).__name__
                with self._lock:
                    self.times[name].note(answer, time.monotonic() - began_s)
                self._stopping.wait(_EVERY_S)
