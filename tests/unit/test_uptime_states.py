"""Polls to state, one rule at a time: instants are small numbers of minutes."""

from dataclasses import replace

import numpy as np
import pytest

from shared.uptime.calendar import Spans
from shared.uptime.intervals import Line
from shared.uptime.policy import DAY_US, MINUTE_US, POLICIES, Policy
from shared.uptime.states import Polls, States, carried_states, in_order, polls_inside_spans, span_states

AS_OF = 2000


def states(
    policy: Policy, taken: dict[int, bool], *spans: tuple[int, int], joined: bool = False
) -> list[tuple[int, int, bool]]:
    """(begin, end, active) of each stretch of one store."""
    opens, closes = np.array(spans, dtype=np.int64).T * MINUTE_US
    open_time = Spans(np.zeros(len(spans), dtype=np.int64), opens, closes)
    line = Line.covering(-30 * DAY_US, AS_OF * MINUTE_US, 1)
    polls, place = in_order(
        Polls(
            np.zeros(len(taken), dtype=np.int64),
            np.array(list(taken), dtype=np.int64) * MINUTE_US,
            np.array(list(taken.values()), dtype=np.bool_),
        ),
        line,
        AS_OF * MINUTE_US,
    )
    borders = (line.place(open_time.store, at_us) for at_us in (opens, closes))
    counted, span, _ = polls_inside_spans(polls, place, *borders)
    found: States = (
        carried_states(polls, open_time, line, AS_OF * MINUTE_US, policy, joined=joined)
        if policy.scope == "all"
        else span_states(counted, span, open_time, AS_OF * MINUTE_US, policy, joined=joined)
    )
    return list(
        zip(
            (found.begin_us // MINUTE_US).tolist(),
            (found.end_us // MINUTE_US).tolist(),
            found.active.tolist(),
            strict=True,
        )
    )


def test_nothing_speaks_beyond_the_closing_or_as_of() -> None:
    taken = {1500: True, 1990: False}
    assert states(POLICIES["hold"], taken, (1490, 1510), (1980, 2100)) == [
        (1490, 1510, True),
        (1980, 2000, False),
    ]


def test_a_break_rounded_up_beyond_the_closing_is_cut_there() -> None:
    taken = {1000: True, 1021: False, 1023: True, 1100: False}
    assert states(POLICIES["slots-15m"], taken, (990, 1027), (1028, 1200)) == [
        (990, 1027, True),
        (1028, 1200, False),
    ]


def test_of_polls_with_one_break_only_the_last_gets_time() -> None:
    taken = {1000: True, 1006: False, 1007: True, 1008: False}
    assert states(POLICIES["slots-15m"], taken, (990, 1100)) == [(990, 1020, True), (1020, 1100, False)]


def test_down_after_last_ends_with_the_slot_of_the_last_poll() -> None:
    half_hours = replace(POLICIES["backfill-1m"], slot_us=30 * MINUTE_US)
    assert states(half_hours, {1000: True, 1100: True}, (990, 1190)) == [
        (990, 1020, True),
        (1020, 1110, True),
    ]
    assert states(half_hours, {1000: True}, (990, 1010)) == [(990, 1010, True)]


def test_carry_crosses_closed_time_and_knows_nothing_before_the_first_poll() -> None:
    taken = {900: True, 1500: False}
    spans = (800, 1000), (1200, 1300), (1400, 1600)
    held = [(900, 1000, True), (1200, 1300, True), (1400, 1500, True), (1500, 1600, False)]
    assert states(POLICIES["carry"], taken, *spans) == held


def test_carry_ends_at_its_horizon() -> None:
    brief = replace(POLICIES["carry"], horizon_us=60 * MINUTE_US)
    assert states(brief, {900: True}, (0, 2000)) == [(900, 960, True)]


@pytest.mark.parametrize("policy", POLICIES.values(), ids=lambda policy: policy.name)
@pytest.mark.parametrize("slot", [0, 7])
def test_polls_that_speak_together_say_what_each_says(policy: Policy, slot: int) -> None:
    brief = replace(policy, horizon_us=60 * MINUTE_US, slot_us=slot * MINUTE_US)
    for gap in range(1, 130):
        for agrees in (True, False):
            taken = {1000: True, 1000 + gap: agrees, 1010 + gap: True}
            apart, together = (states(brief, taken, (940, 1300), joined=joined) for joined in (False, True))
            assert minutes(together) == minutes(apart), (gap, agrees)
            assert len(together) < len(apart) or gap > 60 - slot or not agrees


def minutes(found: list[tuple[int, int, bool]]) -> list[tuple[int, bool]]:
    return [(minute, active) for begin, end, active in found for minute in range(begin, end)]
