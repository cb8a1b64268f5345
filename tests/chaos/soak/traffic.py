"""Callers of the API who never stop asking, in a process of their own: `python -m tests.chaos.soak.traffic DIR SEED`.

They trigger, follow, repeat, cancel and retry as clients should, and write down what they were told. They end when they
are asked to.
"""

import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2

from shared.settings import load_settings
from tests.chaos.soak.ending import Ending
from tests.chaos.soak.journal import Journal
from tests.oracle.accounting import RULES

CALLERS = 6
_TIMEOUT_S = 20.0
_GIVE_UP_S = 90.0
_FIRST_AS_OF, _LAST_AS_OF = datetime(2024, 10, 12, tzinfo=UTC), datetime(2024, 10, 18, tzinfo=UTC)


class CallerThread(Thread):
    """One caller, whose wishes are drawn from the seed."""

    def __init__(self, number: int, seed: str, directory: Path, journal: Journal, url: str, key: str) -> None:
        super().__init__(daemon=True)
        self._draw = random.Random(f"{seed}/caller-{number}")
        self._number, self._ending, self._journal = number, Ending(directory), journal
        self._http = httpx2.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=_TIMEOUT_S
        )
        self._keys = 0

    def run(self) -> None:
        while not self._ending.has_come():
            report_id = self._ask()
            if report_id is None:
                continue
            if self._draw.random() < 0.1:
                time.sleep(self._draw.uniform(0, 0.5))
                self._cancel(report_id)
            self._follow(report_id)
            time.sleep(self._draw.uniform(0, 0.4))

    def _ask(self) -> str | None:
        """Trigger a report; with an Idempotency-Key again and again, until it is known what became of it."""
        wish, key = self._wish(), self._key()
        deadline = time.monotonic() + _GIVE_UP_S
        while time.monotonic() < deadline and not self._ending.has_come():
            report_id = self._create(wish, key)
            if report_id is not None:
                self._ask_again(wish, key)
                return report_id
            if key is None:
                return None
            time.sleep(0.2)
        return None

    def _ask_again(self, wish: dict[str, Any], key: str | None) -> None:
        """The same key: with the same body the same report, with another one a refusal."""
        if key is None or self._draw.random() < 0.5:
            return
        if self._draw.random() < 0.6:
            self._create(wish, key)
        else:
            self._call("POST", "/v1/reports", key, json={**wish, "detail": not wish["detail"]})

    def _create(self, wish: dict[str, Any], key: str | None) -> str | None:
        answer = self._call("POST", "/v1/reports", key, json=wish)
        if answer is None or answer.status_code != httpx2.codes.ACCEPTED:
            return None
        report = answer.json()
        self._journal.write("told", id=report["id"], wish=wish, key=key, as_of=report["as_of"])
        return str(report["id"])

    def _follow(self, report_id: str) -> None:
        """Until it has ended, or is not worth waiting for; a failed one is tried again."""
        deadline = time.monotonic() + _GIVE_UP_S
        while time.monotonic() < deadline and not self._ending.has_come():
            answer = self._call("GET", f"/v1/reports/{report_id}", params={"wait": "5"})
            state = answer.json()["state"] if answer is not None and answer.is_success else None
            if state == "failed":
                self._call("POST", f"/v1/reports/{report_id}/retry")
            elif state not in {None, "queued", "running"}:
                self._journal.write("ended", id=report_id, state=state)
                return

    def _cancel(self, report_id: str) -> None:
        answer = self._call("DELETE", f"/v1/reports/{report_id}")
        if answer is not None and answer.is_success:
            self._journal.write("canceled", id=report_id)

    def _call(self, method: str, path: str, key: str | None = None, **request: Any) -> httpx2.Response | None:
        """The answer, written down; None when there was none."""
        headers = {} if key is None else {"Idempotency-Key": key}
        try:
            answer = self._http.request(method, path, headers=headers, **request)
        except httpx2.HTTPError as error:
            self._journal.write("no_answer", method=method, error=type(error).__name__)
            time.sleep(0.3)
            return None
        self._journal.write("answer", method=method, path=path, status=answer.status_code, key=key)
        if answer.is_server_error or answer.status_code == httpx2.codes.TOO_MANY_REQUESTS:
            time.sleep(0.3)
        return answer

    def _wish(self) -> dict[str, Any]:
        draw = self._draw
        instant = _FIRST_AS_OF + (_LAST_AS_OF - _FIRST_AS_OF) * draw.random()
        return {
            "policy": "classic" if draw.random() < 0.5 else draw.choice(sorted(RULES)),
            "as_of": draw.choices(["latest", "now", instant.isoformat()], [6, 1, 3])[0],
            "detail": draw.random() < 0.2,
            "files": draw.choices([["report"], ["report", "outages"], ["report", "reasons"]], [6, 2, 1])[0],
            "exclude_reasons": draw.choices([[], ["busy"], ["busy", "paused_by_store"]], [5, 1, 1])[0],
            "force": draw.random() < 0.7,
        }

    def _key(self) -> str | None:
        if self._draw.random() < 0.5:
            return None
        self._keys += 1
        return f"caller-{self._number}-{self._keys}"


def main(directory: Path, seed: str) -> None:
    settings = load_settings().require("api_url", "api_key")
    journal = Journal(directory / "traffic.jsonl")
    callers = [
        CallerThread(n, seed, directory, journal, settings.api_url, settings.api_key.get_secret_value())
        for n in range(CALLERS)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
