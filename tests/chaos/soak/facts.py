"""Reports over long windows, and jobs of the daily facts that they read, while all data changes:
`python -m tests.chaos.soak.facts DIR SEED`. And what these reports must say, by the oracle.
"""

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row

from shared.settings import load_settings
from shared.storage import Storage
from tests.chaos.soak.journal import Journal
from tests.chaos.soak.traffic import CallerThread
from tests.chaos.soak.truth import Finished, Truth
from tests.fixtures.buckets import content_of
from tests.oracle.accounting import EPOCH, HOUR_US
from tests.oracle.calendars import account_terms
from tests.oracle.report import printed_times

# Together they reach back far enough that facts are worth while, and the first one to weeks that are sealed. Each has a name,
# and what the oracle calls it.
_WINDOWS: Mapping[str, tuple[str, int | str]] = {
    "P32D": ("last_32d", 32 * 24 * HOUR_US),
    "P14D": ("last_14d", 14 * 24 * HOUR_US),
    "previous_week": ("previous_week", "previous_week"),
    "month_to_date": ("month_to_date", "month_to_date"),
}
_TEXTS = list(_WINDOWS)
_DAYS = {"first_day": "2024-09-13", "last_day": "2024-10-21"}
# At some of these instants all days with polls are final, at others they are not.
_INSTANTS = ("2024-10-16T09:30:00Z", "2024-10-19T21:00:00Z", "2024-10-22T12:00:00Z", "2024-10-24T00:00:00Z")
_SHARE_OF_JOBS = 0.5
# Beyond those of the other callers, whose Idempotency-Keys have theirs.
_NUMBER = 100


class LongCaller(CallerThread):
    """A caller of reports over long windows, who also has the facts of all days computed now and then."""

    def _ask(self) -> str | None:
        if self._draw.random() < _SHARE_OF_JOBS:
            self._call("POST", "/v1/facts", json=_DAYS)
        return super()._ask()

    def _wish(self) -> dict[str, Any]:
        return {
            "policy": "classic",
            "as_of": self._draw.choice(_INSTANTS),
            "detail": False,
            "windows": _TEXTS,
            "exclude_reasons": self._draw.choice([[], [], [], ["busy"]]),
            "force": True,
        }


class LongTruth(Truth):
    """The data at a commit, and the reports over long windows that must come of it."""

    def long_file(self, report: Finished) -> bytes:
        """The bytes of the file; the data must be at its `read_cut`."""
        as_of_us = (report.as_of - EPOCH) // timedelta(microseconds=1)
        windows = dict(_WINDOWS.values())
        lines = [
            ",".join(["store_id", *(f"{kind}_{name}" for kind in ("uptime", "downtime") for name in windows)])
        ]
        for store_id, store in sorted(self._stores.items(), key=lambda item: item[0].encode()):
            is_polled = 0 < store.polled_since <= report.data_cut
            if is_polled and self._adjustments.exists(store_id, store.zone, as_of_us, windows):
                terms = self._adjustments.terms(store_id, store.hours)
                measured = account_terms(
                    store.zone, terms, store.told(), as_of_us, report.policy, windows, report.exclude_reasons
                )
                shown = [printed_times(measured[name], HOUR_US) for name in windows]
                times = [each[field] for field in ("up_us", "down_us") for each in shown]
                lines.append(",".join([store_id, *times]))
        return "".join(f"{line}\n" for line in lines).encode()


def check_long_reports(
    conn: psycopg.Connection, storage: Storage, late: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Every report over long windows has the bytes that the oracle makes of all polls."""
    truth = LongTruth.of_records(conn, late)
    reports = conn.cursor(row_factory=class_row(Finished)).execute(
        "select id, as_of, policy, detail, data_cut, read_cut, exclude_reasons, f.kind, object, size_bytes, sha256"
        " from report join report_file f on report_id = id where state = 'succeeded' and windows = %s"
        " order by read_cut",
        [_TEXTS],
    )
    for report in reports.fetchall():
        truth.advance(report.read_cut)
        content, wanted = content_of(storage, report.object), truth.long_file(report)
        if (len(content), hashlib.sha256(content).hexdigest()) != (report.size_bytes, report.sha256):
            yield f"the object of report {report.id} is not the one that was committed"
        if content != wanted:
            differing = set(content.splitlines()) ^ set(wanted.splitlines())
            yield f"{report.id} over long windows, read at {report.read_cut}: {sorted(differing)[:4]}"


def main(directory: Path, seed: str) -> None:
    settings = load_settings().require("api_url", "api_key")
    key = settings.api_key.get_secret_value()
    caller = LongCaller(
        _NUMBER, f"{seed}/facts", directory, Journal(directory / "facts.jsonl"), settings.api_url, key
    )
    caller.start()
    caller.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
