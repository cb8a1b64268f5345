"""Replaces the weekly hours of the stores that a delivery names, some stores at a time, in the caller's transaction."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

import psycopg

from services.ingest.write.counts import RowCounts
from shared.db.queries import queries

_SQL = queries("ingest")
# No statement takes longer than a second or two, and progress shows.
_ROWS_AT_ONCE: Final = 50_000
# Keys are above 0, and below 0 for stores of a dry run.
_LOWEST_KEY, _HIGHEST_KEY = -(2**31), 2**31 - 1

# Called after each step with the rows that are done, and all of them.
OnStep = Callable[[int, int], None]
# A store's id, and its weekly opening time before and after, in seconds.
ShrunkStore = tuple[str, int, int]


class WeeklyHours:
    """The weekly hours of one delivery. Call `prepare`, `find_shrunk`, then `apply`, in one transaction."""

    def __init__(self, conn: psycopg.Connection, on_step: OnStep) -> None:
        self._conn = conn
        self._on_step = on_step

    def prepare(self, first_days: Mapping[UUID, int]) -> None:
        """Find the distinct rows. `first_days`: which number is Monday in each import."""
        values = {"ids": list(first_days), "first_days": list(first_days.values())}
        for query in ("create_wanted_hours", "prepare_hours", "index_wanted_hours", "analyze_wanted_hours"):
            self._conn.execute(_SQL[query], values if query == "prepare_hours" else None)

    def find_shrunk(self) -> Sequence[ShrunkStore]:
        """Return the stores that lose more than half of their opening time, by id."""
        shrunk: list[ShrunkStore] = []
        if self._conn.execute(_SQL["has_hours"]).fetchone() == (False,):
            # The first load of a fleet.
            return shrunk
        for step in self._steps():
            shrunk += self._conn.execute(_SQL["shrinking_hours"], step).fetchall()
        return sorted(shrunk)

    def apply(self, ids: Sequence[UUID], seq: int) -> tuple[Mapping[UUID, RowCounts], bool]:
        """Apply the hours of the imports. Return the counts of each, and whether anything changed.

        A valid row counts as accepted if it was not stored, and as a duplicate otherwise.
        """
        ((total,),) = self._conn.execute(_SQL["count_wanted_hours"])
        added: Counter[int | None] = Counter()
        for step in self._steps():
            ((has_hours,),) = self._conn.execute(_SQL["has_hours_between"], step)
            # Nothing can be compared with nothing, and then a row costs a third less.
            query = _SQL["apply_hours" if has_hours else "add_hours"]
            for file, count in self._conn.execute(query, {**step, "seq": seq}):
                added[file] += count
            is_last = step["upto"] == _HIGHEST_KEY
            self._on_step(total if is_last else min(step["done"], total), total)
        valid: dict[UUID, int] = dict(
            self._conn.execute(_SQL["count_valid_hours"], {"ids": list(ids)}).fetchall()
        )
        counts = {
            import_id: RowCounts(added[place], valid[import_id] - added[place])
            for place, import_id in enumerate(ids, 1)
            if import_id in valid
        }
        return counts, bool(added)

    def _steps(self) -> Iterator[dict[str, int]]:
        """Yield the ranges of stores: those after one key, up to another, and about how many rows are done after it."""
        after, done = _LOWEST_KEY, 0
        while after < _HIGHEST_KEY:
            ask = {"after": after, "rows": _ROWS_AT_ONCE}
            row = self._conn.execute(_SQL["end_of_step"], ask).fetchone()
            upto, done = (_HIGHEST_KEY if row is None else row[0]), done + _ROWS_AT_ONCE
            yield {"after": after, "upto": upto, "done": done}
            after = upto
