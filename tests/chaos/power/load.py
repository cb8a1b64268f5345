"""Callers who write down what the services acknowledged, in a process of their own.

`python -m tests.chaos.power.load DIR FIRST [PAUSE_S]`. One sends live polls, one uploads files, and one asks for reports.
A call without an answer is not sent again.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Final

from shared.settings import load_settings
from tests.chaos.soak.ending import Ending
from tests.chaos.soak.journal import Journal
from uptill_client import ApiError, UptillClient
from uptill_client.imports import Poll

CALL_POLLS: Final = 50
FILE_POLLS: Final = 2000
START: Final = datetime(2024, 9, 2, tzinfo=UTC)
_BACK_S: Final = 0.1


def live_polls(number: int) -> list[Poll]:
    """Return the polls of one call. No other call has any of them."""
    at = START + timedelta(seconds=number)
    return [Poll(f"live-{store}", True, at) for store in range(CALL_POLLS)]


def write_file(directory: Path, number: int) -> Path:
    """Write the polls of one upload. No other upload has any of them."""
    at = START + timedelta(seconds=number)
    rows = "".join(f"file-{store},active,{at:%Y-%m-%d %H:%M:%S} UTC\n" for store in range(FILE_POLLS))
    file = directory / f"polls-{number}.csv"
    file.write_text(f"store_id,status,timestamp_utc\n{rows}")
    return file


@dataclass(frozen=True)
class Pace:
    """The number of the first call, and the pause after each call that was acknowledged."""

    first: int
    pause_s: float = 0.0


class _LoadThread(Thread):
    """Calls with ascending numbers until the end. `call` returns what is written down of an acknowledged call."""

    def __init__(
        self, what: str, pace: Pace, ending: Ending, journal: Journal, call: Callable[[int], str]
    ) -> None:
        super().__init__(daemon=True)
        self._what, self._ending, self._journal, self._call = what, ending, journal, call
        self._number, self._pause_s = pace.first, pace.pause_s

    def run(self) -> None:
        while not self._ending.has_come():
            self._number += 1
            try:
                acknowledged = self._call(self._number)
            except ApiError:
                time.sleep(_BACK_S)
            else:
                self._journal.write(self._what, number=self._number, id=acknowledged)
                time.sleep(self._pause_s)


def main(directory: Path, pace: Pace) -> None:
    settings = load_settings().require("api_url", "ingest_url", "api_key")
    key, ending, journal = (
        settings.api_key.get_secret_value(),
        Ending(directory),
        Journal(directory / "load.jsonl"),
    )
    with UptillClient(settings.api_url, key, ingest_url=settings.ingest_url, patience_s=0) as uptill:

        def send(number: int) -> str:
            uptill.send_polls(live_polls(number))
            return ""

        def upload(number: int) -> str:
            file = write_file(directory, number)
            try:
                return uptill.upload(file).id
            finally:
                file.unlink()

        calls = {
            "polls": send,
            "upload": upload,
            "report": lambda _: uptill.create_report(force=True).id,
        }
        threads = [_LoadThread(what, pace, ending, journal, call) for what, call in calls.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Pace(int(sys.argv[2]), *map(float, sys.argv[3:])))
