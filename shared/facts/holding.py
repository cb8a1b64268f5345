"""Which facts of some stores hold on a range of dates, for those who add facts up. Found for all stores at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
import psycopg

from shared.facts.changes import PollRange, TouchedDays, find_touched, first_instant, last_instant
from shared.facts.marks import NEVER, Marks, first_computable_day, read_marks
from shared.uptime.intervals import Int64s
from shared.uptime.policy import Policy

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EVERY_STORE: Final = 0
# Fewer stores are named in statements. For more, reading all of them is quicker.
FEW_STORES: Final = 2_000


@dataclass(frozen=True)
class HoldingFacts:
    """Facts of the stores `store_keys` (sorted) hold, except on `touched_days`, and except the cells of a store and a day.

    Days count since 1970.
    """

    store_keys: Int64s
    touched_days: Int64s
    cell_keys: Int64s
    cell_days: Int64s


def find_holding_facts(
    conn: psycopg.Connection, policy: Policy, store_keys: Int64s, first: date, last: date
) -> HoldingFacts:
    """Return which facts of the stores hold on the dates from `first` to `last`, in the caller's snapshot.

    The facts of a store without a mark that can be checked do not hold. Whether there is a fact at all is not looked up.
    """
    marks = _read_valid_marks(conn, policy, store_keys)
    marked = marks.store_keys
    if not len(marks):
        return HoldingFacts(marked, marked, marked, marked)
    first_day, end_day = (day.toordinal() - _EPOCH_DAY for day in (first, last))
    last_day = min(end_day, int(marks.last_day.max()))
    polls = PollRange(
        _EPOCH + last_instant(last_day, policy),
        _EPOCH + first_instant(first_day, policy),
    )
    touched = find_touched(conn, marked, int(marks.seq.min()), polls, policy)
    # Nothing can touch days that can no longer be computed.
    touchable = max(first_day, first_computable_day(conn, policy))
    return _hold_out(touched, marked, touchable, end_day)


def _read_valid_marks(conn: psycopg.Connection, policy: Policy, store_keys: Int64s) -> Marks:
    """Return the marks of the stores that have a fact, if they can be checked."""
    marks = read_marks(conn, policy, store_keys if len(store_keys) <= FEW_STORES else None)
    return marks.keep(marks.is_valid & (marks.last_day > NEVER) & np.isin(marks.store_keys, store_keys))


def _hold_out(touched: Sequence[TouchedDays], marked: Int64s, first: int, last: int) -> HoldingFacts:
    """Cut the changes to the dates from `first` to `last`, and list what they touch."""
    spans = np.array([(each.store_key, each.first, each.last) for each in touched], dtype=np.int64)
    key, begin, end = spans.reshape(-1, 3).T
    begin, end = np.maximum(begin, first), np.minimum(end, last)
    matters = begin <= end
    of_all = matters & (key == _EVERY_STORE)
    days_of_all = {day for place in np.flatnonzero(of_all) for day in range(begin[place], end[place] + 1)}
    of_one = matters & ~of_all & np.isin(key, marked)
    lengths = (end - begin + 1)[of_one]
    keys = np.repeat(key[of_one], lengths)
    ends = np.cumsum(lengths)
    days = np.arange(len(keys)) - np.repeat(ends - lengths, lengths) + np.repeat(begin[of_one], lengths)
    cells = np.unique(np.stack((keys, days), axis=1), axis=0)
    every = np.array(sorted(days_of_all), dtype=np.int64)
    cells = cells[~np.isin(cells[:, 1], every)]
    return HoldingFacts(marked, every, cells[:, 0], cells[:, 1])
