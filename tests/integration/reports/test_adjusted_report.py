"""Reports, outages and downtime by reason equal the oracle's, at one data cut.

The stores have dated and special hours, lifetimes and closures, and polls with reasons.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from services.ingest.run import ingest_paths
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from tests.fixtures.buckets import content_of
from tests.fixtures.reports import trigger
from tests.oracle.accounting import HoursRow, Poll, window_bounds
from tests.oracle.calendars import Closure, Terms, Version, account_terms
from tests.oracle.outage_file import outages_file, reasons_file
from tests.oracle.outages import outages, reason_times
from tests.oracle.report import WINDOWS, header, instant_us, row

NOW = datetime(2024, 11, 5, 20, 13, 7, tzinfo=UTC)
ZONES = ("America/Chicago", "Asia/Kathmandu", "Australia/Lord_Howe")
ASKED = (
    ("classic", ()),
    ("classic", ("busy",)),
    ("slots-15m", ("busy", "technical")),
    ("carry", ("paused_by_store",)),
    ("backfill-1m", ("busy",)),
    ("hold-scaled", ("busy", "paused_by_store", "technical")),
)
TREATMENTS = ("exclude", "as_up", "ignore")
FILES = {
    "zones": "store_id,timezone_str",
    "hours": "store_id,dayOfWeek,start_time_local,end_time_local",
    "dated": "store_id,dayOfWeek,start_time_local,end_time_local,effective_from",
    "special": "store_id,date,start_time_local,end_time_local",
    "lifetimes": "store_id,opened_at,closed_at",
    "closures": "store_id,starts_at,ends_at,treatment,reason,note",
    "polls": "store_id,status,timestamp_utc,reason,event",
}


class DrawnStore(NamedTuple):
    zone: str
    terms: Terms
    polls: Sequence[Poll]


class Fleet:
    """Random stores, as the rows of files and as the oracle's terms."""

    def __init__(self, seed: int, stores: int) -> None:
        self.draw = random.Random(seed)
        self.rows: dict[str, list[str]] = {name: [header] for name, header in FILES.items()}
        everywhere = self._closure("*")
        self.stores = {f"store-{n}": self._store(f"store-{n}", everywhere) for n in range(stores)}

    def write(self, folder: Path) -> None:
        for name, rows in self.rows.items():
            (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")

    def expected(self, policy: str, excluded: Sequence[str]) -> Mapping[str, bytes]:
        """The files with detail as of the newest poll, without stores that exist in no window."""
        as_of_us = max(poll.at_us for store in self.stores.values() for poll in store.polls)
        there = {name: store for name, store in sorted(self.stores.items()) if exists(store, as_of_us)}
        measured = {
            name: account_terms(*store, as_of_us, policy, WINDOWS, excluded) for name, store in there.items()
        }
        found = {
            name: {
                window: outages(*store, as_of_us, policy, length, excluded)
                for window, length in WINDOWS.items()
            }
            for name, store in there.items()
        }
        times = {
            name: {
                window: reason_times(*store, as_of_us, policy, length, excluded)
                for window, length in WINDOWS.items()
            }
            for name, store in there.items()
        }
        lines = [row(name, store.zone, measured[name], found[name]) for name, store in there.items()]
        return {
            "report": header(detail=True) + b"".join(lines),
            "outages": outages_file({name: (store.zone, found[name]) for name, store in there.items()}),
            "reasons": reasons_file(times),
        }

    def _store(self, name: str, everywhere: Closure) -> DrawnStore:
        zone = self.draw.choice(ZONES)
        self.rows["zones"].append(f"{name},{zone}")
        versions = [Version(None, self._hours(name, None))] if self.draw.random() < 0.8 else []
        dates = self.draw.sample(range(9), self.draw.choice([0, 0, 1, 2]))
        versions += [Version(day, self._hours(name, day)) for day in map(days_ago, dates)]
        opened, closed = self._lifetime(name)
        closures = [everywhere, *(self._closure(name) for _ in range(self.draw.choice([0, 1, 2])))]
        special = {day: self._special(name, day) for day in map(days_ago, self.draw.sample(range(8), 2))}
        terms = Terms(versions or [Version(None, [])], special, opened, closed, closures)
        return DrawnStore(zone, terms, self._polls(name))

    def _hours(self, name: str, start: date | None) -> list[HoursRow]:
        drawn = []
        for day in self.draw.sample(range(7), 5):
            opens, closes = self.draw.randrange(24), self.draw.randrange(24)
            drawn.append(HoursRow(day, opens * 3600, closes * 3600))
            line = f"{name},{day},{opens:02}:00,{closes:02}:00"
            self.rows["dated" if start else "hours"].append(f"{line},{start}" if start else line)
        return drawn

    def _special(self, name: str, day: date) -> list[tuple[int, int]]:
        if self.draw.random() < 0.4:
            self.rows["special"].append(f"{name},{day},,")
            return []
        opens, closes = self.draw.randrange(24), self.draw.randrange(24)
        self.rows["special"].append(f"{name},{day},{opens:02}:00,{closes:02}:30")
        return [(opens * 3600, closes * 3600 + 1800)]

    def _lifetime(self, name: str) -> tuple[int | None, int | None]:
        opened, closed = self.draw.choice(
            [("", ""), (stamp(5), ""), ("", stamp(2)), ("", stamp(30)), (stamp(6), stamp(1))]
        )
        self.rows["lifetimes"].append(f"{name},{opened},{closed}")
        return us(opened), us(closed)

    def _closure(self, name: str) -> Closure:
        starts = self.draw.uniform(0.1, 9)
        starts_at, ends_at = stamp(starts), self.draw.choice([stamp(starts - 0.07), stamp(starts - 0.9), ""])
        treatment = self.draw.choice(TREATMENTS if name != "*" else ["exclude"])
        ends_at = ends_at if name != "*" else stamp(starts - 0.2)
        self.rows["closures"].append(f"{name},{starts_at},{ends_at},{treatment},holiday,")
        return Closure(us(starts_at) or 0, us(ends_at), treatment)

    def _polls(self, name: str) -> list[Poll]:
        drawn = []
        for hour in range(24 * 9):
            status = self.draw.choice(["active", "active", "inactive"])
            at = f"{NOW - timedelta(hours=hour, seconds=self.draw.randrange(3600)):%Y-%m-%d %H:%M:%S} UTC"
            reason = self.draw.choice(["", "", "", "busy", "paused_by_store", "technical"])
            event = self.draw.choice(["", "", "yes"])
            self.rows["polls"].append(f"{name},{status},{at},{reason},{event}")
            drawn.append(Poll(instant_us(at), status == "active", bool(event), reason))
        return drawn


def days_ago(days: int) -> date:
    return (NOW - timedelta(days=days)).date()


def stamp(days: float) -> str:
    return f"{NOW - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def us(text: str) -> int | None:
    return instant_us(text) if text else None


def exists(store: DrawnStore, as_of_us: int) -> bool:
    opened, closed = store.terms.opened_us, store.terms.closed_us
    return any(
        (opened is None or opened < end) and (closed is None or start < closed)
        for start, end in (window_bounds(store.zone, as_of_us, window) for window in WINDOWS.values())
    )


def compute_files(
    database_url: str, worker: WorkerContext, policy: str, excluded: tuple[str, ...]
) -> Mapping[str, bytes]:
    asked = trigger(
        database_url,
        batch_stores=4,
        detail=True,
        policy=policy,
        files=("report", "outages", "reasons"),
        exclude_reasons=excluded,
    )
    for wake in asked.wakes:
        assert compute_batch(worker, wake.report_id, wake.batch_no)
    with psycopg.connect(database_url) as conn:
        files = conn.execute(
            "select kind, object, rows from report_file where report_id = %s", [asked.report_id]
        ).fetchall()
    content = {kind: content_of(worker.storage, key) for kind, key, _ in files}
    assert {kind: rows for kind, _, rows in files} == {
        kind: data.count(b"\n") - 1 for kind, data in content.items()
    }
    return content


@pytest.mark.parametrize("seed", [1, 2])
def test_reports_equal_the_oracle(
    seed: int, worker: WorkerContext, database_url: str, tmp_path: Path
) -> None:
    fleet = Fleet(seed, stores=14)
    fleet.write(tmp_path)
    results = ingest_paths(database_url, [str(tmp_path)])
    assert [(result.state, result.rejected) for result in results] == [("succeeded", 0)] * len(FILES)
    for policy, excluded in ASKED:
        expected = fleet.expected(policy, excluded)
        assert 5 < expected["report"].count(b"\n") < 15, "some stores are left out"
        assert expected["outages"].count(b"true") > 5, (
            "some outages began at an opening, or before the window"
        )
        assert compute_files(database_url, worker, policy, excluded) == expected
