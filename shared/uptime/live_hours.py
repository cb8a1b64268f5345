"""Where each store is in its scheduled time now: the piece that it is in, the one before and the next, and the local date.

Knows no polls. A border more than eight days away is not looked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Self

import numpy as np

from shared.uptime.bounds import midnights_us
from shared.uptime.calendar import Spans
from shared.uptime.closures import Schedule
from shared.uptime.intervals import Bools, Int64s, Line
from shared.uptime.live_polls import MISSING
from shared.uptime.policy import DAY_US
from shared.uptime.zones import number_zones

# What a piece of scheduled time is; OUTSIDE: the store is in none.
OUTSIDE: Final = -1
MEASURED: Final = 0
EXCLUDED: Final = 1
AS_UP: Final = 2


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """One element a store. `span` is the index of a measured span; borders that are too far away are `MISSING`.

    `hours_us` is when the current piece's opening began: earlier than the piece if closures lie between. `open_us` and `close_us` are those of the current piece, `closed_us` the end of the last piece if there is no current
    one, `next_us` the start of the next piece, and `opens_us` that of the next one that is not excluded.
    """

    kind: Int64s
    span: Int64s
    open_us: Int64s
    close_us: Int64s
    closed_us: Int64s
    next_us: Int64s
    opens_us: Int64s
    hours_us: Int64s

    def among(self, schedule: Schedule, from_us: int, now_us: int) -> tuple[Self, Schedule]:
        """Return this for a schedule without the pieces that lie before `from_us` or after now, and that schedule."""

        def touch(spans: Spans) -> Bools:
            touches: Bools = (spans.close_us > from_us) & (spans.open_us <= now_us)
            return touches

        kept = touch(schedule.measured)
        lately = replace(
            schedule,
            measured=schedule.measured.pick(kept),
            excluded=schedule.excluded.pick(touch(schedule.excluded)),
            as_up=schedule.as_up.pick(touch(schedule.as_up)),
        )
        # A store's current span is kept.
        number = np.append(np.cumsum(kept) - 1, MISSING)
        return replace(self, span=number[self.span]), lately


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The pieces of scheduled time by (store, open_us), and the index of each in its part of the schedule."""

    store: Int64s
    open_us: Int64s
    close_us: Int64s
    kind: Int64s
    number: Int64s
    place: Int64s

    @classmethod
    def of(cls, schedule: Schedule, line: Line) -> Self:
        """Put the parts of a schedule in one order. A part alone is in order already."""
        parts = (schedule.measured, schedule.excluded, schedule.as_up)
        store, open_us, close_us = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("store", "open_us", "close_us")
        )
        kind = np.repeat(np.arange(len(parts)), [len(part.store) for part in parts])
        number = np.concatenate([np.arange(len(part.store)) for part in parts])
        found = cls(store, open_us, close_us, kind, number, line.place(store, open_us))
        if len(store) == len(schedule.measured.store):
            return found
        order = np.argsort(found.place, kind="stable")
        return cls(*(getattr(found, field.name)[order] for field in fields(found)))

    def hours_us(self) -> Int64s:
        """Return where the scheduled time begins that leads to each piece without a gap."""
        begins = np.ones(len(self.store), dtype=np.bool_)
        begins[1:] = (np.diff(self.store) > 0) | (self.open_us[1:] > self.close_us[:-1])
        return self.open_us[np.maximum.accumulate(np.where(begins, np.arange(len(begins)), 0))]


def locate(schedule: Schedule, stores: int, now_us: int, range_us: tuple[int, int]) -> Whereabouts:
    """Return where the stores are at `now_us`. `schedule` touches the range, which holds `now_us`."""
    line = Line.covering(range_us[0], range_us[1], stores)
    pieces = _Pieces.of(schedule, line)
    store, open_us, close_us, kind = pieces.store, pieces.open_us, pieces.close_us, pieces.kind
    here = line.place(np.arange(stores), np.full(stores, now_us))
    after = np.searchsorted(pieces.place, here, side="right")
    last = _of_store(after - 1, store)
    inside = (last >= 0) & (close_us[last] > now_us) if len(store) else np.zeros(stores, dtype=np.bool_)
    usable = np.flatnonzero(kind != EXCLUDED)
    next_usable = (
        np.append(usable, len(store))[np.searchsorted(usable, after)]
        if len(schedule.excluded.store)
        else after
    )

    def near(values: Int64s, index: Int64s) -> Int64s:
        if not len(values):
            return np.full(stores, MISSING)
        found = np.where(index >= 0, values[index], MISSING)
        return np.where((found >= range_us[0]) & (found <= range_us[1]), found, MISSING)

    current, before = np.where(inside, last, -1), np.where(inside, -1, last)
    kinds = np.where(inside, kind[last], OUTSIDE) if len(store) else np.full(stores, OUTSIDE)
    spans = np.where(kinds == MEASURED, pieces.number[last], MISSING) if len(store) else kinds
    return Whereabouts(
        kind=kinds,
        span=spans,
        open_us=near(open_us, current),
        close_us=near(close_us, current),
        closed_us=near(close_us, before),
        next_us=near(open_us, _of_store(after, store)),
        opens_us=near(open_us, _of_store(next_usable, store)),
        # Without closures, no piece continues another one.
        hours_us=near(open_us if len(store) == len(schedule.measured.store) else pieces.hours_us(), current),
    )


def _of_store(index: Int64s, store: Int64s) -> Int64s:
    """Return the indexes, and -1 where the piece is that of another store, or does not exist."""
    exists = (index >= 0) & (index < len(store))
    owner = np.full(len(index), -1)
    owner[exists] = store[index[exists]]
    return np.where(owner == np.arange(len(index)), index, -1)


def today_us(zones: Sequence[str | None], now_us: int) -> tuple[Int64s, Int64s]:
    """Return the midnights before and after now in each store's zone."""
    names, zone = number_zones(zones)
    days = now_us // DAY_US + np.arange(-2, 4)
    edges_us = midnights_us(names, np.tile(days, (len(names), 1)))
    today = (edges_us <= now_us).sum(axis=1) - 1
    row = np.arange(len(names))
    return edges_us[row, today][zone], edges_us[row, today + 1][zone]
