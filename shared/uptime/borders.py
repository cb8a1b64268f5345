"""Explain why a state begins and ends where it does. Names the breaks and limits of the kernel and decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from shared.uptime.policy import Edges, Fill, Policy, reach_us
from shared.uptime.poll_history import PollHistory
from shared.uptime.states import are_linked, breaks_before, slot_after


class Rule(StrEnum):
    """Why a segment begins or ends where it does."""

    EDGE = "edge"  # the store opens or closes
    LIFETIME = "lifetime"  # the store opens for the first time, or closes for good
    CLOSURE = "closure"  # a closure begins or ends
    POLL = "poll"  # the break is at a poll
    EVENT = "event"  # the break is at an event
    MIDPOINT = "midpoint"  # the break is halfway between two polls
    SLOT = "slot"  # the break was rounded up to the policy's grid
    STALE = "stale"  # a poll reaches no farther than the policy's horizon
    AS_OF = "as_of"  # nothing later is known
    WINDOW = "window"  # the window begins or ends


@dataclass(frozen=True, slots=True)
class Border:
    """An end of a segment."""

    at_us: int
    rule: Rule


@dataclass(frozen=True, slots=True)
class SpanEdges:
    """Why the spans of one store begin and end, by instant."""

    opens: Mapping[int, Rule]
    closes: Mapping[int, Rule]


class Borders:
    """The limits at which the states of one store can end."""

    def __init__(self, history: PollHistory, edges: SpanEdges, as_of_us: int, policy: Policy) -> None:
        polls, group = history.deciding
        at_us = polls.at_us
        exact_us = breaks_before(polls, np.arange(1, len(at_us)), policy.fill)
        self._is_event = np.zeros(len(at_us), np.bool_) if polls.event is None else polls.event
        self._at_us = at_us.tolist()
        self._together = are_linked(group, at_us[:-1], at_us[1:], reach_us(policy)).tolist()
        self._exact_us, self._breaks_us = exact_us.tolist(), slot_after(exact_us, policy.slot_us).tolist()
        self._after_last_us = slot_after(at_us, policy.slot_us).tolist()
        self._opens, self._closes = edges.opens, edges.closes
        self._break_rule = Rule.MIDPOINT if policy.fill is Fill.NEAREST else Rule.POLL
        self._ends_after_last = policy.edges is Edges.DOWN_AFTER_LAST
        self._as_of_us = as_of_us

    def begin_border(self, poll: int, at_us: int) -> Border:
        """Return where the time that this poll covers begins."""
        rule = Rule.STALE
        if poll > 0 and self._is_break(poll - 1, at_us):
            rule = self._rule_of_break(poll - 1)
        elif at_us in self._opens:
            rule = self._opens[at_us]
        elif at_us == self._at_us[poll]:
            rule = Rule.EVENT if self._is_event[poll] else Rule.POLL
        return Border(at_us, rule)

    def end_border(self, poll: int, at_us: int) -> Border:
        """Return where the time that this poll covers ends."""
        rule = Rule.STALE
        if poll < len(self._together) and self._is_break(poll, at_us):
            rule = self._rule_of_break(poll)
        elif at_us in self._closes:
            rule = self._closes[at_us]
        elif at_us == self._as_of_us:
            rule = Rule.AS_OF
        elif self._ends_after_last and at_us == self._after_last_us[poll]:
            rule = Rule.POLL if at_us == self._at_us[poll] else Rule.SLOT
        return Border(at_us, rule)

    def _is_break(self, gap: int, at_us: int) -> bool:
        return bool(self._together[gap]) and bool(self._breaks_us[gap] == at_us)

    def _rule_of_break(self, gap: int) -> Rule:
        if self._exact_us[gap] != self._breaks_us[gap]:
            return Rule.SLOT
        return Rule.EVENT if self._is_event[gap + 1] else self._break_rule
