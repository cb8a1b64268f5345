"""Where each store is in its scheduled time now: the piece that it is in, the one before and the next.

Knows no polls. A border more than eight days away is not looked for.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.uptime.closures import Schedule
from shared.uptime.intervals import Int64s, Line
from shared.uptime.live_polls import MISSING

# What a piece of scheduled time is; OUTSIDE: the store is in none.
OUTSIDE: Final = -1
MEASURED: Final = 0
EXCLUDED: Final = 1
AS_UP: Final = 2


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """One element a store. `span` is the index of a measured span; borders that are too far away are `MISSING`.

    `open_us` and `close_us` are those of the current piece, `closed_us` the end of the last piece if there is no current
    one, `next_us` the start of the next piece, and `opens_us` that of the next one that is not excluded.
    """

    kind: Int64s
    span: Int64s
    open_us: Int64s
    close_us: Int64s
    closed_us: Int64s
    next_us: Int64s
    opens_us: Int64s


def locate(schedule: Schedule, stores: int, now_us: int, range_us: tuple[int, int]) -> Whereabouts:
    """Return where the stores are at `now_us`. `schedule` touches the range, which holds `now_us`."""
    parts = (schedule.measured, schedule.excluded, schedule.as_up)
    store = np.concatenate([part.store for part in parts])
    open_us = np.concatenate([part.open_us for part in parts])
    close_us = np.concatenate([part.close_us for part in parts])
    kind = np.repeat(np.arange(len(parts)), [len(part.store) for part in parts])
    number = np.concatenate([np.arange(len(part.store)) for part in parts])
    line = Line.covering(range_us[0], range_us[1], stores)
    place = line.place(store, open_us)
    order = np.argsort(place, kind="stable")
    store, open_us, close_us, kind, number, place = (
        values[order] for values in (store, open_us, close_us, kind, number, place)
    )
    here = line.place(np.arange(stores), np.full(stores, now_us))
    after = np.searchsorted(place, here, side="right")
    last = _of_store(after - 1, store)
    inside = (last >= 0) & (close_us[last] > now_us) if len(store) else np.zeros(stores, dtype=np.bool_)
    usable = np.flatnonzero(kind != EXCLUDED)
    next_usable = np.append(usable, len(store))[np.searchsorted(usable, after)]

    def near(values: Int64s, index: Int64s) -> Int64s:
        if not len(values):
            return np.full(stores, MISSING)
        found = np.where(index >= 0, values[index], MISSING)
        return np.where((found >= range_us[0]) & (found <= range_us[1]), found, MISSING)

    current, before = np.where(inside, last, -1), np.where(inside, -1, last)
    kinds = np.where(inside, kind[last], OUTSIDE) if len(store) else np.full(stores, OUTSIDE)
    spans = np.where(kinds == MEASURED, number[last], MISSING) if len(store) else kinds
    return Whereabouts(
        kind=kinds,
        span=spans,
        open_us=near(open_us, current),
        close_us=near(close_us, current),
        closed_us=near(close_us, before),
        next_us=near(open_us, _of_store(after, store)),
        opens_us=near(open_us, _of_store(next_usable, store)),
    )


def _of_store(index: Int64s, store: Int64s) -> Int64s:
    """Return the indexes, and -1 where the piece is that of another store, or does not exist."""
    exists = (index >= 0) & (index < len(store))
    owner = np.full(len(index), -1)
    owner[exists] = store[index[exists]]
    return np.where(owner == np.arange(len(index)), index, -1)
