"""All that adjusts weekly hours at one commit, then at a later one, from the files and calls that brought it.

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
from tests.oracle.accounting import HoursRow, window_bounds
from tests.oracle.calendars import Closure, Terms, Version, inherited
from tests.oracle.report import WINDOWS, instant_us, rows_of, seconds

_Dates = dict[date, Sequence[tuple[int, int]]]
_Call = Mapping[str, Any]
_Labels = frozenset[tuple[str, str]]
_Target = str | _Labels


@dataclass(frozen=True)
class Changed:
    """What calls changed in one commit, by our own names of closures and calendars, and by store. None: it ended."""

    closures: dict[str, int | None] = field(default_factory=dict)  # the number of the call
    calendars: dict[str, _Call | None] = field(default_factory=dict)  # as it is stored
    labels: dict[str, int] = field(default_factory=dict)  # the number of the call
    lifetimes: dict[str, int] = field(default_factory=dict)
    # As they are stored.
    dated_hours: dict[tuple[str, date], Sequence[int] | None] = field(default_factory=dict)


def read_changes(conn: psycopg.Connection) -> Mapping[int, Changed]:
    """Return what calls changed, by ledger number.

    A closure made by a call has the note `NAME call-NUMBER`, labels have the number as one of them, and lifetimes as the
    microsecond of an instant.
    """
    found: dict[int, Changed] = defaultdict(Changed)
    # A version that begins comes after the one that ends with the same commit.
    for seq, note, begins in conn.execute(
        "select seq, note, begins from closure,"
        " lateral (values (until_seq, false), (since_seq, true)) edge (seq, begins)"
        " where note like 'closure-%' and seq is not null order by begins"
    ):
        name, number = note.split(" call-")
        found[seq].closures[name] = int(number) if begins else None
    for seq, name, stored in conn.execute(
        "select seq, name, case when begins then jsonb_build_object('labels', labels, 'dates', dates) end from calendar,"
        " lateral (values (until_seq, false), (since_seq, true)) edge (seq, begins)"
        " where seq is not null order by begins"
    ):
        found[seq].calendars[name] = stored
    for seq, store_id, number in conn.execute(
        "select labels_since_seq, store_id, labels ->> 'call' from store where labels ? 'call' union all"
        " select since_seq, store_id, old.labels ->> 'call' from superseded_labels old join store using (store_key)"
    ):
        found[seq].labels[store_id] = int(number)
    for seq, store_id, instant in conn.execute(
        "select since_seq, store_id, coalesce(opened_at, closed_at) from lifetime join store using (store_key)"
    ):
        found[seq].lifetimes[store_id] = instant.microsecond
    for seq, store_id, day, stored in conn.execute(
        "select seq, store_id, effective_from, case when begins then intervals end"
        " from dated_hours join store using (store_key),"
        " lateral (values (until_seq, false), (since_seq, true)) edge (seq, begins)"
        " where seq is not null order by begins"
    ):
        found[seq].dated_hours[store_id, day] = stored
    return found


class DeliveredAdjustments:
    """What adjusts the weekly hours of stores. `calls` are the records of calls before they were sent."""

    def __init__(self, changes: Mapping[int, Changed], calls: Iterable[_Call]) -> None:
        self._changes = changes
        self._calls = {call["call"]: call for call in calls}
        self._special: dict[str, _Dates] = defaultdict(dict)
        self._closures: dict[object, tuple[_Target, Closure]] = {}
        self._calendars: dict[str, tuple[_Labels, _Dates]] = {}
        self._labels: dict[str, _Labels] = defaultdict(frozenset)
        self._lifetimes: dict[str, tuple[int | None, int | None]] = {}
        self._dated: dict[str, dict[date, Sequence[HoursRow]]] = defaultdict(dict)

    def terms(self, store_id: str, hours: Sequence[HoursRow]) -> Terms:
        """What the oracle needs of a store with these weekly hours."""
        labels = self._labels[store_id]
        closures = [
            closure
            for target, closure in self._closures.values()
            if (target in {store_id, EVERY_STORE} if isinstance(target, str) else target <= labels)
        ]
        calendars = {name: dates for name, (wanted, dates) in self._calendars.items() if wanted <= labels}
        special = inherited(self._special.get(store_id, {}), calendars)
        dated = [Version(day, rows) for day, rows in self._dated[store_id].items()]
        weekly = [Version(None, hours)] if hours or not dated else []
        return Terms([*weekly, *dated], special, *self._lifetime(store_id), closures)

    def exists(
        self, store_id: str, zone: str | None, as_of_us: int, windows: Mapping[str, int | str] = WINDOWS
    ) -> bool:
        """Whether the store has a row in a report: it exists in a window."""
        opened_us, closed_us = self._lifetime(store_id)
        bounds = [window_bounds(zone or "America/Chicago", as_of_us, window) for window in windows.values()]
        return any(
            (opened_us is None or opened_us < end_us) and (closed_us is None or start_us < closed_us)
            for start_us, end_us in bounds
        )

    def date_hours(self, store_id: str, day: date, rows: Sequence[HoursRow]) -> None:
        """Bring in the hours of a store from a date on, from a file."""
        self._dated[store_id][day] = rows

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
            touched |= self._change_closure(name, number)
        for name, stored in changed.calendars.items():
            if stored is None:
                self._calendars.pop(name, None)
            else:
                self._calendars[name] = self._calendar_of(name, stored)
        for store_id, number in changed.labels.items():
            self._labels[store_id] = frozenset(self._calls[number]["body"]["labels"].items())
        for store_id, number in changed.lifetimes.items():
            body = self._calls[number]["body"]
            opened_us, closed_us = (
                body[name] and instant_us(body[name]) for name in ("opened_at", "closed_at")
            )
            self._lifetimes[store_id] = opened_us, closed_us
        for (store_id, day), intervals in changed.dated_hours.items():
            if intervals is None:
                self._dated[store_id].pop(day, None)
            else:
                self._dated[store_id][day] = self._sent_hours(store_id, day, intervals)
            touched.add(store_id)
        return touched | changed.labels.keys() | changed.lifetimes.keys()

    def _change_closure(self, name: str, number: int | None) -> set[str]:
        before = self._closures.pop(name, None)
        targets = [before[0]] if before else []
        if number is not None:
            target = self._target(name)
            self._closures[name] = target, _closure_of(self._calls[number]["body"])
            targets.append(target)
        return {target if isinstance(target, str) else EVERY_STORE for target in targets}

    def _sent_hours(self, store_id: str, day: date, stored: Sequence[int]) -> Sequence[HoursRow]:
        """The rows of the call that sent what is stored."""
        for call in self._calls.values():
            if (call.get("store"), call.get("dated")) == (store_id, str(day)):
                rows = [HoursRow(*row) for row in call["rows"]]
                if [number for row in rows for number in row] == list(stored):
                    return rows
        raise KeyError(f"no call sent what is stored of the hours of {store_id} from {day} on: {stored}")

    def _lifetime(self, store_id: str) -> tuple[int | None, int | None]:
        return self._lifetimes.get(store_id, (None, None))

    def _target(self, closure: str) -> _Target:
        """The store or the labels of a closure, from the call that declared it."""
        body = next(
            call["body"]
            for call in self._calls.values()
            if call.get("closure") == closure and call["method"] == "POST"
        )
        return str(body["store_id"]) if "store_id" in body else frozenset(body["labels"].items())

    def _calendar_of(self, calendar: str, stored: _Call) -> tuple[_Labels, _Dates]:
        """The labels and the dates of the call that sent what is stored."""
        for call in self._calls.values():
            dates = call.get("dates", {}) if call.get("calendar") == calendar else {}
            flat = {day: [second for row in rows for second in row] for day, rows in dates.items()}
            if dates and {"labels": call["body"]["labels"], "dates": flat} == stored:
                return frozenset(call["body"]["labels"].items()), {
                    date.fromisoformat(day): [(opens, closes) for opens, closes in rows]
                    for day, rows in dates.items()
                }
        raise KeyError(f"no call sent what is stored of the calendar {calendar}: {stored}")


def _closure_of(terms: Mapping[str, str | None]) -> Closure:
    starts_at, ends_at, treatment = (terms[name] for name in ("starts_at", "ends_at", "treatment"))
    assert starts_at is not None
    assert treatment is not None
    return Closure(instant_us(starts_at), instant_us(ends_at) if ends_at else None, treatment)
