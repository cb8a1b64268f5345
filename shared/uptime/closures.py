"""Scheduled time parted by lifetimes and closures: what is measured, what is excluded, and what counts as up.

Knows spans only: no hours, no polls, no policy.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

import numpy as np

from shared.uptime.calendar import Spans
from shared.uptime.intervals import Bools, Int64s, Line, between, intersect_intervals, union
from shared.uptime.notes import NO_NOTES, PollNotes

# Stands for a missing `ends_us` or `closed_us`; negative, for a missing `opened_us`.
NEVER_US: Final = 1 << 60


class Treatment(IntEnum):
    """What a closure does to the time in it. Where several overlap, the largest number decides."""

    IGNORE = 0
    AS_UP = 1
    EXCLUDE = 2


@dataclass(frozen=True, slots=True)
class Closures:
    """Closures `[starts_us, ends_us)`, one element a closure and store, in any order; `treatment` holds `Treatment`s."""

    store: Int64s
    starts_us: Int64s
    ends_us: Int64s
    treatment: Int64s


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The time `[opened_us, closed_us)` in which stores exist, one element a store, in any order.

    A missing instant is `-NEVER_US` or `NEVER_US`. A store that is not in here has always existed.
    """

    store: Int64s
    opened_us: Int64s
    closed_us: Int64s

    def of(self, stores: int) -> tuple[Int64s, Int64s]:
        """Return the two instants of each store of a batch of this size."""
        opened_us, closed_us = np.full((2, stores), NEVER_US)
        opened_us *= -1
        opened_us[self.store], closed_us[self.store] = self.opened_us, self.closed_us
        return opened_us, closed_us

    def meets(self, windows_us: tuple[Int64s, Int64s]) -> Bools:
        """Return whether each store exists in any of its windows `[start, end)`: two arrays of shape (stores, windows)."""
        starts_us, ends_us = windows_us
        opened_us, closed_us = self.of(len(starts_us))
        exists = (opened_us[:, None] < ends_us) & (starts_us < closed_us[:, None])
        meets: Bools = np.logical_or.reduce(exists, axis=1)
        return meets


NO_CLOSURES: Final = Closures(*np.zeros((4, 0), dtype=np.int64))
NO_LIFETIMES: Final = Lifetimes(*np.zeros((3, 0), dtype=np.int64))
NO_SPANS: Final = Spans(*np.zeros((3, 0), dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Schedule:
    """The scheduled time of a batch in three parts that do not overlap.

    `measured` are the spans that polls speak about. `excluded` time is not asked about, `as_up` time counts as up.
    `notes` are what some of these polls say besides a status.
    """

    measured: Spans
    excluded: Spans
    as_up: Spans
    notes: PollNotes = NO_NOTES

    @classmethod
    def of(cls, spans: Spans) -> Self:
        """Return the schedule without any closure."""
        return cls(spans, NO_SPANS, NO_SPANS)


def schedule_of(spans: Spans, lifetimes: Lifetimes, closures: Closures, stores: int) -> Schedule:
    """Part the spans of a batch, whose size is `stores`, by lifetimes and closures."""
    if len(lifetimes.store):
        spans = _lived(spans, *lifetimes.of(stores))
    if not len(closures.store) or not len(spans.store):
        return Schedule.of(spans)
    line = Line.covering(int(spans.open_us.min()), int(spans.close_us.max()), stores)
    excluded, rest = _parted(line, spans, closures, Treatment.EXCLUDE)
    as_up, measured = _parted(line, rest, closures, Treatment.AS_UP)
    return Schedule(measured, excluded, as_up)


def _lived(spans: Spans, opened_us: Int64s, closed_us: Int64s) -> Spans:
    open_us = np.maximum(spans.open_us, opened_us[spans.store])
    close_us = np.minimum(spans.close_us, closed_us[spans.store])
    kept = open_us < close_us
    return Spans(spans.store[kept], open_us[kept], close_us[kept])


def _parted(line: Line, spans: Spans, closures: Closures, treatment: Treatment) -> tuple[Spans, Spans]:
    """The parts of the spans inside the closures of this treatment, and those outside."""
    chosen = np.flatnonzero(closures.treatment == treatment)
    if not len(chosen):
        return NO_SPANS, spans
    store = closures.store[chosen]
    begin, end = union(
        line.place(store, closures.starts_us[chosen]), line.place(store, closures.ends_us[chosen])
    )
    opens, closes = line.place(spans.store, spans.open_us), line.place(spans.store, spans.close_us)

    def within(begin: Int64s, end: Int64s) -> Spans:
        span, first, last = intersect_intervals(begin, end, opens, closes)
        store = spans.store[span]
        return Spans(store, line.instant_us(store, first), line.instant_us(store, last))

    return within(begin, end), within(*between(begin, end))
