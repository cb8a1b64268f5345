"""The entry to the accounting: hours and polls of a batch of stores in, numbers out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.uptime.adjustments import NO_ADJUSTMENTS, Adjustments, adjusted_schedule
from shared.uptime.bounds import bounds_us
from shared.uptime.calendar import Hours
from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Measures, measure, measure_states
from shared.uptime.outage_reasons import ReasonTimes
from shared.uptime.outages import (
    Outages,
    find_outages,
    find_reason_times,
    outage_states,
    quiet_since,
    without_superseded,
)
from shared.uptime.policy import Policy, history_us, later_us, outage_history_us
from shared.uptime.poll_history import PollHistory
from shared.uptime.states import Polls, States
from shared.uptime.window import Window


@dataclass(frozen=True, slots=True)
class StoreHistory:
    """What the accounting needs to know of the stores of a batch. `zones[k]` is store k's; None is the default zone."""

    zones: Sequence[str | None]
    hours: Hours
    polls: Polls


@dataclass(frozen=True, slots=True)
class MeasuredOutages:
    """What a batch of stores was in each window, and its outages, one element a window."""

    measures: Measures
    outages: Sequence[Outages]
    _history: PollHistory
    _spoken: States
    _windows_us: tuple[Int64s, Int64s]

    def reason_times(self, windows: int) -> list[ReasonTimes]:
        """Return the down time by reason in each of the first windows."""
        starts_us, ends_us = self._windows_us
        return [
            find_reason_times(self._history, self._spoken, (starts_us[:, number], ends_us[:, number]))
            for number in range(windows)
        ]


def measure_batch(
    stores: StoreHistory,
    as_of_us: int,
    windows: Sequence[Window],
    policy: Policy,
    *,
    detail: bool = True,
    adjustments: Adjustments = NO_ADJUSTMENTS,
) -> Measures:
    """Measure the stores of a batch in the windows that `as_of_us` and their zones give.

    The polls must reach back to `history_us(policy)` before the start of the earliest window. Older and later polls
    change nothing. Without `detail` the bounds of the uptime are the trivial ones, and no polls are counted.
    Raises zoneinfo.ZoneInfoNotFoundError for an unknown zone.
    """
    windows_us = starts_us, ends_us = bounds_us(windows, as_of_us, stores.zones)
    # Nothing later matters, so windows of the past cost what they hold.
    as_of_us = min(as_of_us, int(ends_us.max(initial=0)) + later_us(policy))
    first_us = int(starts_us.min(initial=as_of_us)) - history_us(policy)
    schedule = adjusted_schedule(stores.zones, stores.hours, adjustments, first_us, as_of_us)
    return measure(schedule, stores.polls, as_of_us, windows_us, policy, detail=detail)


def find_quiet(
    stores: StoreHistory,
    starts_us: Int64s,
    until_us: int,
    policy: Policy,
    *,
    adjustments: Adjustments = NO_ADJUSTMENTS,
) -> tuple[Int64s, Int64s]:
    """Return what `quiet_since` returns for the instants at which the windows of the stores start. The polls do not matter.

    `until_us` is the last instant that will be measured: the same spans are looked up then.
    """
    if not len(starts_us):
        return starts_us, starts_us
    first_us = int(starts_us.min()) - outage_history_us(policy)
    schedule = adjusted_schedule(stores.zones, stores.hours, adjustments, first_us, until_us)
    return quiet_since(schedule.measured, starts_us)


def measure_outages(
    stores: StoreHistory,
    as_of_us: int,
    windows: Sequence[Window],
    policy: Policy,
    *,
    detail: bool = True,
    adjustments: Adjustments = NO_ADJUSTMENTS,
) -> MeasuredOutages:
    """Measure the stores as `measure_batch` does, and return their outages in each window too.

    For stores that `quiet_since` names, the polls must also have the last one before the instant that it gives. If reasons
    are excluded, the polls must reach back to `outage_history_us(policy)`.
    """
    windows_us = starts_us, ends_us = bounds_us(windows, as_of_us, stores.zones)
    first_us = int(starts_us.min(initial=as_of_us)) - outage_history_us(policy)
    schedule = adjusted_schedule(stores.zones, stores.hours, adjustments, first_us, as_of_us)
    if not schedule.notes.excluded:
        # Before the time that the windows need, only the last measured time of each store can matter.
        needed_us = first_us + outage_history_us(policy) - history_us(policy)
        schedule = replace(schedule, measured=without_superseded(schedule.measured, needed_us))
    history = PollHistory(schedule, stores.polls, first_us, as_of_us, len(starts_us), policy)
    spoken = outage_states(history)
    found = [
        find_outages(history, spoken, (starts_us[:, number], ends_us[:, number]))
        for number in range(len(windows))
    ]
    measures = measure_states(schedule, history, spoken, windows_us, detail=detail)
    return MeasuredOutages(measures, found, history, spoken, windows_us)
