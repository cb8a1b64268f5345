"""Special hours, closures and calendars at one commit, then at a later one, from the files and calls that brought them.

Of the database it takes only which call a commit was, and which closures and calendars a commit ended.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos.soak.changes import EVERY_STORE
from tests.oracle.accounting import HoursRow
from tests.oracle.calendars import Closure, Terms, Version, inherited
from tests.oracle.report import instant_us, rows_of, seconds

_Dates = dict[date, Sequence[tuple[int, int]]]
_Call = Mapping[str, Any]


@dataclass(frozen=True)
class Changed:
    """What calls changed in one commit, by our own names of closures and calendars. None: it ended."""

    closures: dict[str, int | None] = field(default_factory=dict)  # the number of the call
    calendars: dict[str, Mapping[str, Sequence[int]] | None] = field(default_factory=dict)  # as it is stored


def read_changes(conn: psycopg.Connection) -> Mapping[int, Changed]:
    """Return what calls changed, by ledger number. A closure made by a call has the note `NAME call-NUMBER`."""
    found: dict[int, Changed] = defaultdict(Changed)
    # A version that begins comes after the one that ends with the same commit.
    for seq, note, begins in conn.execute(
        "select seq, note, begins from closure,"
        " lateral (values (until_seq, false), (since_seq, true)) edge (seq, begins)"
        " where note like 'closure-%' and seq is not null order by begins"
    ):
        name, number = note.split(" call-")
        found[seq].closures[name] = int(number) if begins else None
    for seq, name, dates in conn.execute(
        "select seq, name, case when begins then dates end from calendar,"
        " lateral (values (until_seq, false), (since_seq, true)) edge (seq, begins)"
        " where seq is not null order by begins"
    ):
        found[seq].calendars[name] = dates
    return found


class DeliveredAdjustments:
    """What adjusts the weekly hours of stores. `calls` are the records of calls before they were sent."""

    def __init__(self, changes: Mapping[int, Changed], calls: Iterable[_Call]) -> None:
        self._changes = changes
        self._calls = {call["call"]: call for call in calls}
        self._special: dict[str, _Dates] = defaultdict(dict)
        self._closures: dict[object, tuple[str, Closure]] = {}
        self._calendars: dict[str, _Dates] = {}

    def terms(self, store_id: str, hours: Sequence[HoursRow]) -> Terms:
        """What the oracle needs of a store with these weekly hours."""
        closures = [
            closure for target, closure in self._closures.values() if target in {store_id, EVERY_STORE}
        ]
        special = inherited(self._special.get(store_id, {}), self._calendars)
        return Terms([Version(None, hours)], special, closures=closures)

    def load_special_hours(self, file: Path) -> set[str]:
        """Bring in a file; return the stores that it names. It replaces the dates that it names."""
        given: dict[tuple[str, date], list[tuple[int, int]]] = defaultdict(list)
        for line in rows_of(file):
            rows = given[line["store_id"], date.fromisoformat(line["date"])]
            if line["start_time_local"]:
                rows.append((seconds(line["start_time_local"]), seconds(line["end_time_local"])))
        for (store_id, day), intervals in given.items():
            self._special[store_id][day] = intervals
        return {store_id for store_id, _ in given}

    def load_closures(self, file: Path) -> set[str]:
        """Bring in a file; return the stores that it names. A closure of the same store and start is replaced."""
        named = set()
        for line in rows_of(file):
            key = line["store_id"], line["starts_at"]
            self._closures[key] = line["store_id"], _closure_of(line)
            named.add(line["store_id"])
        return named

    def call(self, seq: int) -> set[str]:
        """Bring in the call that was this commit; return the stores whose numbers it can change."""
        changed = self._changes.get(seq, Changed())
        touched = {EVERY_STORE} if changed.calendars else set()
        for name, number in changed.closures.items():
            before = self._closures.pop(name, None)
            touched |= {before[0]} if before else set()
            if number is not None:
                call = self._calls[number]
                target = call["store_id"] if "store_id" in call else self._target(name)
                self._closures[name] = target, _closure_of(call["body"])
                touched.add(target)
        for name, dates in changed.calendars.items():
            if dates is None:
                self._calendars.pop(name, None)
            else:
                self._calendars[name] = self._dates_of(name, dates)
        return touched

    def _target(self, closure: str) -> str:
        """The store of a closure that was declared by an earlier call."""
        return next(
            str(call["store_id"])
            for call in self._calls.values()
            if call.get("closure") == closure and "store_id" in call
        )

    def _dates_of(self, calendar: str, stored: Mapping[str, Sequence[int]]) -> _Dates:
        """The dates of the call that sent what is stored."""
        for call in self._calls.values():
            dates = call.get("dates", {}) if call.get("calendar") == calendar else {}
            if {day: [second for row in rows for second in row] for day, rows in dates.items()} == stored:
                return {
                    date.fromisoformat(day): [(opens, closes) for opens, closes in rows]
                    for day, rows in dates.items()
                }
        raise KeyError(f"no call sent what is stored of the calendar {calendar}: {stored}")


def _closure_of(terms: Mapping[str, str | None]) -> Closure:
    starts_at, ends_at, treatment = (terms[name] for name in ("starts_at", "ends_at", "treatment"))
    assert starts_at is not None
    assert treatment is not None
    return Closure(instant_us(starts_at), instant_us(ends_at) if ends_at else None, treatment)
