"""The polls of a batch in order with what was noted about them, the states they imply, and the time that is left out.

Must not know windows or totals.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from shared.uptime.calendar import Spans
from shared.uptime.closures import NO_SPANS, Schedule
from shared.uptime.intervals import Bools, Int64s, Line, between, intersect_intervals
from shared.uptime.notes import match_notes
from shared.uptime.policy import Policy, Scope
from shared.uptime.states import Polls, States, carried_states, in_order, polls_inside_spans, span_states


class PollHistory:
    """A batch's polls between `first_us` and `as_of_us` (inclusive), and the states they imply."""

    def __init__(
        self, schedule: Schedule, polls: Polls, first_us: int, as_of_us: int, stores: int, policy: Policy
    ) -> None:
        self.line = Line.covering(first_us, as_of_us, stores)
        self.spans, self.as_of_us, self.policy = schedule.measured, as_of_us, policy
        self.stores = stores
        self._polls, self._place = in_order(polls, self.line, as_of_us)
        self._excluded = schedule.notes.excluded
        if len(schedule.notes):
            event, reason = match_notes(schedule.notes, self.line, self._place, self._polls.active)
            self._polls = replace(
                self._polls, event=event if event.any() else None, reason=reason if reason.any() else None
            )

    @property
    def ordered(self) -> tuple[Polls, Int64s]:
        """All polls by (store, at_us), also those outside of spans, and their places on the line."""
        return self._polls, self._place

    @cached_property
    def counted(self) -> tuple[Polls, Int64s]:
        """The polls inside spans, in order, and the index of each one's span."""
        polls, span, _ = self._inside
        return polls, span

    @cached_property
    def span_places(self) -> tuple[Int64s, Int64s]:
        """Where the spans open and close on the line."""
        return self._places(self.spans)

    @cached_property
    def left_out(self) -> Spans:
        """The time in spans that polls with an excluded reason speak for: it is not asked about."""
        polls, _ = self.deciding
        if not self._excluded or polls.reason is None:
            return NO_SPANS
        spoken = self.spoken(joined=True)
        chosen = np.flatnonzero(self.is_excluded(polls)[spoken.poll])
        return Spans(spoken.store[chosen], spoken.begin_us[chosen], spoken.end_us[chosen])

    @cached_property
    def measured(self) -> Spans:
        """The spans without the time that is left out."""
        if not len(self.left_out.store):
            return self.spans
        span, first, last = intersect_intervals(*between(*self._places(self.left_out)), *self.span_places)
        kept = np.flatnonzero(first < last)
        store, line = self.spans.store[span[kept]], self.line
        return Spans(store, line.instant_us(store, first[kept]), line.instant_us(store, last[kept]))

    @cached_property
    def measured_places(self) -> tuple[Int64s, Int64s]:
        """Where measured time begins and ends on the line."""
        return self._places(self.measured) if len(self.left_out.store) else self.span_places

    def is_excluded(self, polls: Polls) -> Bools:
        """Return for each poll whether its reason is excluded."""
        if not self._excluded or polls.reason is None:
            return np.zeros(len(polls.at_us), dtype=np.bool_)
        return np.isin(polls.reason, self._excluded)

    def _places(self, spans: Spans) -> tuple[Int64s, Int64s]:
        line = self.line
        return line.place(spans.store, spans.open_us), line.place(spans.store, spans.close_us)

    @property
    def deciding(self) -> tuple[Polls, Int64s]:
        """The polls that decide states, and the group of each: its span, or its store if polls also count while closed."""
        return (self._polls, self._polls.store) if self.policy.scope is Scope.ALL else self.counted

    def first_after(self, store: Int64s, at_us: Int64s) -> Int64s:
        """Return the index of the first deciding poll after each instant."""
        later = np.searchsorted(self._place, self.line.place(store, at_us), side="right")
        return later if self.policy.scope is Scope.ALL else np.searchsorted(self._inside[2], later)

    @property
    def has_plain_breaks(self) -> bool:
        """Whether every poll speaks from the break before it to the break after it, in one span, without rounding."""
        return self.policy.scope is Scope.SPAN and not self.policy.slot_us

    @cached_property
    def _inside(self) -> tuple[Polls, Int64s, Int64s]:
        return polls_inside_spans(self._polls, self._place, *self.span_places)

    def states(self, *, joined: bool = False) -> States:
        """Return what `spoken` returns, without the time that is left out."""
        spoken = self.spoken(joined=joined)
        if not len(self.left_out.store):
            return spoken
        return spoken.pick(np.flatnonzero(~self.is_excluded(self.deciding[0])[spoken.poll]))

    def spoken(self, *, joined: bool = False) -> States:
        """Return the implied states. `joined` merges most adjacent equal states of a store into one, by its first poll.

        Polls with different reasons are not joined.
        """
        polls, group = self.deciding
        if self.policy.scope is Scope.ALL:
            return carried_states(polls, self.spans, self.line, self.as_of_us, self.policy, joined=joined)
        return span_states(polls, group, self.spans, self.as_of_us, self.policy, joined=joined)
