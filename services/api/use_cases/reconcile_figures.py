"""Compare a platform's own figures with Uptill's: one verdict a figure, and what may explain a difference. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum


class FigureVerdict(StrEnum):
    """How a platform's downtime stands to Uptill's."""

    AGREES = "agrees"
    WITHIN_BOUNDS = "within_bounds"
    BEYOND_BOUNDS = "beyond_bounds"
    NOT_COMPARED = "not_compared"


class DifferenceCause(StrEnum):
    """What may explain that two figures differ, or why they cannot be compared."""

    BETWEEN_POLLS = "between_polls"
    SILENCE = "silence"
    CLOSURES = "closures"
    HOURS = "hours"
    NO_HOURS = "no_hours"
    DEFAULT_ZONE = "default_zone"
    NO_POLLS = "no_polls"
    NOT_OVER = "not_over"
    POLLS = "polls"
    UNKNOWN_STORE = "unknown_store"
    NOT_COMPUTED = "not_computed"
    TOO_MANY_POLLS = "too_many_polls"
    SKIPPED_TIME = "skipped_time"


@dataclass(frozen=True)
class ClaimedDowntime:
    """What a platform says of a store: its downtime in microseconds, or its uptime as a share of the open time.

    The time is a local date, or from one time until another one; a time without an offset is local to the store.
    """

    store_id: str
    day: date | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None
    down_us: int | None = None
    up_share: float | None = None

    @property
    def local_length(self) -> timedelta | None:
        """The length of a window of local times, as its clocks show it; None if they name their offsets."""
        if self.from_time is None or self.to_time is None:
            return timedelta(days=1)
        if self.from_time.tzinfo or self.to_time.tzinfo:
            return None
        return self.to_time - self.from_time

    def theirs_us(self, open_us: int) -> int:
        """Return their downtime, if that much time counts."""
        if self.down_us is not None:
            return self.down_us
        return round((1 - (self.up_share or 0.0)) * open_us)


@dataclass(frozen=True)
class OwnFigures:
    """Uptill's figures of one window, in microseconds. Downtime is surely between `down_min_us` and `down_max_us`."""

    open_us: int
    down_us: int
    unknown_us: int
    excluded_us: int
    down_min_us: int
    down_max_us: int
    polls: int

    def holds(self, theirs_us: int, within_us: int) -> bool:
        """Return whether a downtime lies between the bounds, give or take `within_us`."""
        return self.down_min_us - within_us <= theirs_us <= self.down_max_us + within_us


@dataclass(frozen=True)
class StoreFacts:
    """What is known of the store of a figure."""

    has_zone: bool
    has_hours: bool
    is_over: bool


@dataclass(frozen=True)
class MeasuredWindow:
    """One window measured as reports do, without closures, and as if the store were always open."""

    own: OwnFigures
    without_closures: OwnFigures
    always_open: OwnFigures


def judge(figure: ClaimedDowntime, own: OwnFigures, within_us: int) -> FigureVerdict:
    """Return how their downtime stands to ours."""
    theirs_us = figure.theirs_us(own.open_us)
    if abs(theirs_us - own.down_us) <= within_us:
        return FigureVerdict.AGREES
    return FigureVerdict.WITHIN_BOUNDS if own.holds(theirs_us, within_us) else FigureVerdict.BEYOND_BOUNDS


def find_causes(
    figure: ClaimedDowntime, measured: MeasuredWindow, store: StoreFacts, within_us: int
) -> Iterator[DifferenceCause]:
    """Yield what may explain the difference, the most likely first. Of figures that agree, only what is still open."""
    own = measured.own
    verdict = judge(figure, own, within_us)
    if not store.is_over:
        yield DifferenceCause.NOT_OVER
    if verdict is FigureVerdict.AGREES:
        return
    is_possible = verdict is FigureVerdict.WITHIN_BOUNDS
    otherwise = DifferenceCause.BETWEEN_POLLS if is_possible else DifferenceCause.POLLS
    yield from list(_explain(figure, measured, store, within_us)) or [otherwise]


def _explain(
    figure: ClaimedDowntime, measured: MeasuredWindow, store: StoreFacts, within_us: int
) -> Iterator[DifferenceCause]:
    own, theirs_us = measured.own, figure.theirs_us(measured.own.open_us)

    def fits(other: OwnFigures) -> bool:
        return other != own and other.holds(figure.theirs_us(other.open_us), within_us)

    if own.unknown_us > 0:
        yield DifferenceCause.NO_POLLS if own.polls == 0 else DifferenceCause.SILENCE
    if own.holds(theirs_us, within_us):
        return
    if own.excluded_us > 0 and fits(measured.without_closures):
        yield DifferenceCause.CLOSURES
    elif store.has_hours and (fits(measured.always_open) or theirs_us > own.open_us + within_us):
        yield DifferenceCause.HOURS
    if not store.has_hours:
        yield DifferenceCause.NO_HOURS
    if not store.has_zone:
        yield DifferenceCause.DEFAULT_ZONE
