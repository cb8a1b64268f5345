"""Read the facts that hold on a range of dates, some at a time: of a fleet from `packed_day`, of few stores from `store_day`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import psycopg

from services.api.use_cases.series_dates import DateRange
from shared.db.arrays import key_array
from shared.db.queries import queries
from shared.facts.holding import FEW_STORES, HoldingFacts
from shared.facts.packed_facts import RECORD_BYTES, unpack_facts
from shared.uptime.intervals import Int64s
from shared.uptime.policy import Policy

_SQL: Final = queries("series")
_DAY_SHIFT: Final = 32
_JOINED_BYTES: Final = 1 << 18


@dataclass(frozen=True)
class SomeFacts:
    """Facts of stores on days since 1970. `numbers`: their counts, excluded, open, up and down time, and outages.

    A fact that was replaced occurs again with the opposite sign, so sums are right, and single values are not.
    """

    store_keys: Int64s
    days: Int64s
    numbers: Int64s

    @property
    def up_us(self) -> Int64s:
        """The uptime of each fact."""
        up_us: Int64s = self.numbers[3]
        return up_us

    @property
    def down_us(self) -> Int64s:
        """The downtime of each fact."""
        down_us: Int64s = self.numbers[4]
        return down_us


def read_facts(
    conn: psycopg.Connection, policy: Policy, holding: HoldingFacts, dates: DateRange
) -> Iterator[SomeFacts]:
    """Yield the facts that hold, in the caller's snapshot. Those of other stores may be among them."""
    cells = np.sort((holding.cell_days << _DAY_SHIFT) | holding.cell_keys)
    for days, packed in _join(_fetch(conn, policy, holding, dates)):
        keys, *numbers = unpack_facts(packed)
        some = SomeFacts(keys, days, np.stack(numbers))
        yield _without_cells(some, cells) if len(cells) and len(keys) else some


def _fetch(
    conn: psycopg.Connection, policy: Policy, holding: HoldingFacts, dates: DateRange
) -> Iterator[tuple[Int64s, bytes]]:
    """Yield packed facts, and the day of each."""
    asked: dict[str, Any] = {
        "policy": policy.name,
        "first": dates.first,
        "last": dates.last,
        "touched": key_array(holding.touched_days),
        "store_keys": None,
        "by_month": False,
    }
    if len(holding.store_keys) <= FEW_STORES:
        if len(holding.store_keys):
            yield from _pack(conn, {**asked, "store_keys": key_array(holding.store_keys), "by_month": True})
        return
    unpacked: Sequence[tuple[date, date]] = conn.execute(_SQL["unpacked_months"], asked).fetchall()
    packed = conn.cursor(binary=True).stream(
        _SQL["packed_days"], {**asked, "unpacked": [first for first, _ in unpacked]}
    )
    for day, records in packed:
        yield np.full(len(records) // RECORD_BYTES, day), records
    for first, last in unpacked:
        yield from _pack(conn, {**asked, "first": max(first, dates.first), "last": min(last, dates.last)})


def _join(fetched: Iterable[tuple[Int64s, bytes]]) -> Iterator[tuple[Int64s, bytes]]:
    """Join small packs: a year that was computed at once has a hundred packs of a date, and each costs some calls."""
    days, packs, size = list[Int64s](), list[bytes](), 0
    for some, packed in fetched:
        days.append(some)
        packs.append(packed)
        size += len(packed)
        if size >= _JOINED_BYTES:
            yield np.concatenate(days), b"".join(packs)
            days, packs, size = [], [], 0
    if packs:
        yield np.concatenate(days), b"".join(packs)


def _pack(conn: psycopg.Connection, asked: dict[str, Any]) -> Iterator[tuple[Int64s, bytes]]:
    # Planned each time: a generic plan would visit every month.
    for days, records in conn.execute(_SQL["pack"], asked, prepare=False, binary=True):
        yield np.frombuffer(days, dtype=">i4").astype(np.int64), records


def _without_cells(some: SomeFacts, cells: Int64s) -> SomeFacts:
    first, last = int(some.days.min()), int(some.days.max())
    begin, end = np.searchsorted(cells, [first << _DAY_SHIFT, (last + 1) << _DAY_SHIFT])
    held = ~np.isin((some.days << _DAY_SHIFT) | some.store_keys, cells[begin:end])
    return SomeFacts(some.store_keys[held], some.days[held], some.numbers[:, held])
