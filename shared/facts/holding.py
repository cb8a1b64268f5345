"""Which facts of some stores hold on a range of dates, for those who add facts up. Found for all stores at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
import psycopg

from shared.db.queries import queries
from shared.facts.changes import PollRange, TouchedDays, find_touched, first_instant, last_instant
from shared.facts.marks import first_computable_day, read_readable_from
from shared.uptime.intervals import Int64s
from shared.uptime.policy import POLICY_VERSION, Policy
from shared.uptime.tzdata_release import tzdata_version

_SQL = queries("store_days")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EVERY_STORE: Final = 0
# Fewer stores are named in statements. For more, reading all of them is quicker.
FEW_STORES: Final = 2_000


@dataclass(frozen=True)
class HoldingFacts:
    """Facts of the stores `store_keys` (sorted) hold, except on `touched_dates`, and except the cells of a store and a date."""

    store_keys: Int64s
    touched_dates: Sequence[date]
    cell_keys: Int64s
    cell_dates: Sequence[date]


def find_holding_facts(
    conn: psycopg.Connection, policy: Policy, store_keys: Int64s, first: date, last: date
) -> HoldingFacts:
    """Return which facts of the stores hold on the dates from `first` to `last`, in the caller's snapshot.

    The facts of a store without a mark that can be checked do not hold. Whether there is a fact at all is not looked up.
    """
    marked, seq, latest = _read_valid_marks(conn, policy, store_keys)
    if not len(marked):
        return HoldingFacts(marked, [], marked, [])
    first_day, last_day = (day.toordinal() - _EPOCH_DAY for day in (first, min(last, latest)))
    polls = PollRange(
        _EPOCH + last_instant(last_day, policy),
        _EPOCH + first_instant(first_day, policy),
    )
    touched = find_touched(conn, marked.tolist(), seq, polls, policy)
    # Nothing can touch days that can no longer be computed.
    touchable = max(first_day, first_computable_day(conn, policy))
    return _hold_out(touched, marked, touchable, last.toordinal() - _EPOCH_DAY)


def _read_valid_marks(
    conn: psycopg.Connection, policy: Policy, store_keys: Int64s
) -> tuple[Int64s, int, date]:
    """Return the stores whose marks can be checked, the oldest of the marks, and the latest date with a fact."""
    chosen = store_keys.tolist() if len(store_keys) <= FEW_STORES else None
    asked = {"policy": policy.name, "store_keys": chosen}
    rows = conn.execute(_SQL["mark_groups"], asked, binary=True).fetchall()
    readable_from = read_readable_from(conn)
    made = (readable_from, POLICY_VERSION, tzdata_version())
    valid = [row for row in rows if row[0] >= made[0] and (row[2], row[3]) == made[1:] and row[1] is not None]
    keys = [np.frombuffer(row[4], dtype=">i4").astype(np.int64) for row in valid]
    marked = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *keys]))
    oldest = min((row[0] for row in valid), default=0)
    latest = max((row[1] for row in valid), default=date.min)
    return marked[np.isin(marked, store_keys)], oldest, latest


def _hold_out(touched: Sequence[TouchedDays], marked: Int64s, first: int, last: int) -> HoldingFacts:
    """Cut the changes to the dates from `first` to `last`, and list what they touch."""
    spans = np.array([(each.store_key, each.first, each.last) for each in touched], dtype=np.int64)
    key, begin, end = spans.reshape(-1, 3).T
    begin, end = np.maximum(begin, first), np.minimum(end, last)
    matters = begin <= end
    of_all = matters & (key == _EVERY_STORE)
    dates = {day for place in np.flatnonzero(of_all) for day in range(begin[place], end[place] + 1)}
    of_one = matters & ~of_all & np.isin(key, marked)
    lengths = (end - begin + 1)[of_one]
    keys = np.repeat(key[of_one], lengths)
    ends = np.cumsum(lengths)
    days = np.arange(len(keys)) - np.repeat(ends - lengths, lengths) + np.repeat(begin[of_one], lengths)
    cells = np.unique(np.stack((keys, days), axis=1), axis=0)
    cells = cells[~np.isin(cells[:, 1], sorted(dates))]
    return HoldingFacts(marked, _to_dates(sorted(dates)), cells[:, 0], _to_dates(cells[:, 1].tolist()))


def _to_dates(days: Sequence[int]) -> list[date]:
    return [date.fromordinal(day + _EPOCH_DAY) for day in days]
