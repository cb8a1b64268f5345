"""What the quality report says about single stores of a file: those left as they were, and those that lose most hours.

Saved in the transaction that the rows take effect in, so that no outage loses it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import polars as pl
import psycopg
from psycopg.types.json import Jsonb

from services.ingest.parse.days import FROM_ONE
from services.ingest.parse.kinds import Kind
from services.ingest.parse.times_of_day import describe_equal_times, describe_long_openings
from services.ingest.parse.zones import describe_fixed, describe_windows
from services.ingest.write.look_alikes import LISTED_PAIRS, find_look_alikes
from shared.db.queries import queries

_SQL = queries("ingest")
LISTED_STORES = 1000
LISTED_NEW_STORES = 20
# Lists of the quality report, and how many entries each has at most; their number is given too.
LISTS = {
    "stores_unchanged": LISTED_STORES,
    "stores_shrunk": LISTED_STORES,
    "zones_fixed": LISTED_STORES,
    "look_alikes": LISTED_PAIRS,
}
_HOUR_S = 3600
# A store's id, its weekly opening time before and after in seconds, and the date from which on, or "".
ShrunkStore = tuple[str, int, int, str]


class Remarks:
    """The remarks on the imports of one delivery, by import and name."""

    def __init__(self, conn: psycopg.Connection, kind: Kind) -> None:
        self._conn = conn
        self._kind = kind
        self._found: defaultdict[UUID, dict[str, Any]] = defaultdict(dict)

    def add_note(self, import_id: UUID, text: str) -> None:
        """Add a sentence about the file."""
        self._found[import_id].setdefault("notes", []).append(text)

    def add_held_stores(self, ids: Sequence[UUID]) -> None:
        """Add the stores that keep what they had, because one of their rows was rejected."""
        for import_id, store_id, line, reason, is_known, without_hours, without_zone in self._conn.execute(
            _SQL["held_stores"], {"ids": list(ids)}
        ):
            without = {
                "hours": {"without_hours": without_hours},
                "timezones": {"without_zone": without_zone},
            }
            # A row may name a store that is yet to be polled, or none: a total, or a line that could not be split.
            unknown = {} if is_known else {"unknown": True}
            store = {
                "store_id": store_id,
                "line": line,
                "reason": reason,
                **unknown,
                **without.get(self._kind, {}),
            }
            self._list_store(import_id, "stores_unchanged", store)

    def add_shrinking_stores(self, import_id: UUID, shrunk: Sequence[ShrunkStore]) -> None:
        """Add the stores whose opening hours a week become less than half of what they were."""
        for store_id, before_s, after_s, start in shrunk:
            hours = {"hours_before": round(before_s / _HOUR_S, 2), "hours_after": round(after_s / _HOUR_S, 2)}
            since = {"effective_from": start} if start else {}
            self._list_store(import_id, "stores_shrunk", {"store_id": store_id, **hours, **since})

    def add_first_days(self, first_days: Mapping[UUID, int]) -> None:
        """Add that the days of a file are numbered from 1."""
        for import_id, first_day in first_days.items():
            if first_day:
                self.add_note(import_id, FROM_ONE)

    def add_long_openings(self, found: Iterable[tuple[UUID, int, str, int, int, int]]) -> None:
        """Add openings that a 12-hour clock without AM and PM may have made: how many in each import, and the first."""
        for import_id, openings, store_id, line, *seconds in found:
            opens, closes = (f"{second // 3600:02}:{second // 60 % 60:02}" for second in seconds)
            example = f"{opens} to {closes} of store {store_id} (line {line:,})"
            self.add_note(import_id, describe_long_openings(openings, example))

    def add_equal_times(self, found: Iterable[tuple[UUID, int, str, int]]) -> None:
        """Add openings that end when they begin, and may mean a closed day: how many in each import, and the first."""
        for import_id, openings, store_id, line in found:
            self.add_note(import_id, describe_equal_times(openings, f"line {line:,} of store {store_id}"))

    def add_contradictions(self, found: Iterable[tuple[UUID, int, str, int, int]]) -> None:
        """Add how many stores have rows in one file that differ, and the first one with its first and last line."""
        for import_id, stores, store_id, *lines in found:
            what = (
                "1 store has rows that contradict"
                if stores == 1
                else f"{stores:,} stores have rows that contradict"
            )
            first, last = (f"{line:,}" for line in lines)
            self.add_note(
                import_id,
                f"{what} each other, such as {store_id!r} (lines {first} and {last}): the last one counts; keep the right one",
            )

    def add_unknown_stores(self, ids: Sequence[UUID]) -> None:
        """Add the stores that nothing else has named before: their ids may be mistyped."""
        for import_id, stores, store_id, line in self._conn.execute(
            _SQL["unknown_stores"], {"ids": list(ids)}
        ):
            what = "1 store has" if stores == 1 else f"{stores:,} stores have"
            every = "; for every store, write *" if self._kind == "closures" else ""
            self.add_note(
                import_id,
                f"{what} no polls, hours or time zone yet, such as {store_id!r} (line {line:,}): correct the id if it is"
                f" mistyped{every}",
            )

    def add_windows(self, found: Iterable[tuple[UUID, str, str]]) -> None:
        """Add which zones were read from Windows names."""
        for import_id, windows, name in found:
            self.add_note(import_id, describe_windows(windows, name))

    def add_fixed_zones(self, found: Iterable[tuple[UUID, str, str]]) -> None:
        """Add the stores whose zone never changes its clocks."""
        zones: Counter[tuple[UUID, str]] = Counter()
        for import_id, store_id, name in found:
            self._list_store(import_id, "zones_fixed", {"store_id": store_id, "timezone": name})
            zones[import_id, name] += 1
        for (import_id, name), stores in zones.most_common():
            self.add_note(
                import_id,
                f"{stores:,} {'store is' if stores == 1 else 'stores are'} in {name}: {describe_fixed(name)}",
            )

    def add_look_alikes(self, import_id: UUID, store_ids: pl.Series) -> None:
        """Add the ids among these that look like another one."""
        if found := find_look_alikes(self._conn, store_ids):
            self._found[import_id] |= found

    def add_plan(self, found: Iterable[dict[str, Any]]) -> None:
        """Add what a dry run tells of each file, before its rows take effect: stores, new ones, dates."""
        for row in found:
            file, listed = row.pop("import_id"), row.pop("listed") or []
            self._found[file].setdefault("plan", {}).update(row, new_stores_list=listed)

    def add_removed(self, import_ids: Sequence[UUID], removed: Mapping[int, int]) -> None:
        """Add to what a dry run tells how many rows of hours each file removes. `removed`: by the place of the file."""
        for place, import_id in enumerate(import_ids):
            self._found[import_id].setdefault("plan", {})["rows_removed"] = removed.get(place, 0)

    def save(self) -> None:
        """Write the remarks to the imports."""
        for import_id, notes in self._found.items():
            self._conn.execute(_SQL["note_quality"], {"id": import_id, "notes": Jsonb(notes)})

    def _list_store(self, import_id: UUID, name: str, store: Mapping[str, object]) -> None:
        found = self._found[import_id]
        found[name] = found.get(name, 0) + 1
        listed = found.setdefault(f"{name}_list", [])
        if len(listed) < LISTED_STORES:
            listed.append(store)
