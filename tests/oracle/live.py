"""What one store is now, once more: rule after rule, in plain Python, sharing no line with the engine."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.oracle.accounting import (
    DAY_US,
    EPOCH,
    MINUTE_US,
    Parts,
    Poll,
    Span,
    account_parts,
    in_order,
    midnight_us,
    overlap,
    polls_between,
)
from tests.oracle.calendars import Terms, parts_of

HORIZON_US = DAY_US


class Live(NamedTuple):
    """What a store is at an instant. Times are those at the instant itself."""

    state: str
    since_earliest_us: int | None
    since_latest_us: int | None
    last_poll: Poll | None
    hours_from_us: int | None
    open_from_us: int | None
    open_until_us: int | None
    opens_at_us: int | None
    up_us: int
    down_us: int
    down_open_us: int
    inactive_polls: int
    usual_gap_us: int | None


class LiveRule(NamedTuple):
    """The state, the bounds of its begin, and when it ends or the store opens. `cut`: far borders are not known."""

    name: str
    earliest_us: int | None
    latest_us: int | None
    until_us: int | None = None
    from_us: int | None = None
    opens_us: int | None = None
    cut: bool = True
    hours_us: int | None = None


def live(zone: str | None, terms: Terms, polls: Iterable[Poll], now_us: int, silent_us: int) -> Live:
    zone = zone or "America/Chicago"
    today_us = now_us // DAY_US * DAY_US
    near = today_us - 8 * DAY_US, today_us + 9 * DAY_US
    parts = parts_of(zone, terms, *near)
    known = in_order(polls, now_us)
    inside = [
        [poll for poll in polls_between(known, *span) if poll.at_us >= today_us - 2 * DAY_US]
        for span in parts.measured
    ]
    run = last_run([poll for polls_of_span in inside for poll in polls_of_span])
    gap_us = usual_gap(inside)
    patience_us = min(silent_us if gap_us is None else max(3 * gap_us, 5 * MINUTE_US), HORIZON_US)
    state = state_now(terms, parts, now_us) or measured_state(
        parts, inside, now_us, patience_us if known else None, [poll.at_us for poll in known]
    )
    if state.from_us is not None:
        state = state._replace(hours_us=opening(parts, state.from_us))
    local_day = (EPOCH + timedelta(microseconds=now_us)).astimezone(ZoneInfo(zone)).date()
    bounds = {"today": (midnight_us(zone, local_day), now_us)}
    today = account_parts(parts, known, now_us, "classic", bounds)["today"]
    return Live(
        state.name,
        border(state.earliest_us, near) if state.cut else state.earliest_us,
        border(state.latest_us, near) if state.cut else state.latest_us,
        known[-1]._replace(event=False, reason="") if known else None,
        border(state.hours_us, near),
        border(state.from_us, near),
        border(state.until_us, near),
        border(state.opens_us, near),
        today["up_us"],
        today["down_us"],
        open_time(parts.measured, run[0].at_us, now_us) if state.name == "down" else 0,
        len(run) if run and not run[0].active else 0,
        gap_us,
    )


def state_now(terms: Terms, parts: Parts, now_us: int) -> LiveRule | None:
    """The state by hours and closures alone; None if polls decide."""
    if terms.closed_us is not None and now_us >= terms.closed_us:
        return LiveRule("ended", terms.closed_us, terms.closed_us, cut=False)
    usable = sorted([*parts.measured, *parts.as_up])
    opens_us = next((span.open_us for span in usable if span.open_us > now_us), None)
    for span in parts.as_up:
        if is_in(span, now_us):
            return LiveRule("up", span.open_us, span.open_us, span.close_us, span.open_us)
    for span in parts.excluded:
        if is_in(span, now_us):
            return LiveRule("excluded", span.open_us, span.open_us, opens_us=opens_us)
    if any(is_in(span, now_us) for span in parts.measured):
        return None
    ends = [s.close_us for s in (*parts.measured, *parts.excluded, *parts.as_up) if s.close_us <= now_us]
    closed_us = max(ends, default=None)
    return LiveRule("closed", closed_us, closed_us, opens_us=opens_us)


def measured_state(
    parts: Parts,
    inside: Sequence[Sequence[Poll]],
    now_us: int,
    patience_us: int | None,
    known_us: Sequence[int],
) -> LiveRule:
    """The state of an open store by its polls. `patience_us` is None if the store was never polled."""
    here = next(number for number, span in enumerate(parts.measured) if is_in(span, now_us))
    span, polls = parts.measured[here], inside[here]
    near_us = now_us // DAY_US * DAY_US - 8 * DAY_US
    quiet_from_us = max([span.open_us, *(at_us for at_us in known_us if at_us >= span.open_us)])
    if patience_us is not None and now_us >= quiet_from_us + patience_us:
        # What lies out of view may be another opening.
        silent_at_us = None if quiet_from_us < near_us else quiet_from_us + patience_us
        return LiveRule("silent", silent_at_us, silent_at_us, span.close_us, span.open_us, cut=False)
    if not polls:
        return LiveRule("unknown", span.open_us, span.open_us, span.close_us, span.open_us)
    counted = [poll for polls_of_span in inside for poll in polls_of_span]
    run = last_run(counted)
    before_us = counted[-len(run) - 1].at_us if len(run) < len(counted) else None
    if run[0].event:
        before_us = run[0].at_us
    return LiveRule(
        "up" if polls[-1].active else "down", before_us, run[0].at_us, span.close_us, span.open_us, cut=False
    )


def opening(parts: Parts, open_us: int) -> int:
    """Where the opening began that a span is in: closures may lie between."""
    for span in sorted([*parts.measured, *parts.excluded, *parts.as_up], reverse=True):
        if span.close_us == open_us:
            open_us = span.open_us
    return open_us


def is_in(span: Span, at_us: int) -> bool:
    return span.open_us <= at_us < span.close_us


def border(at_us: int | None, near: tuple[int, int]) -> int | None:
    return at_us if at_us is not None and near[0] <= at_us <= near[1] else None


def last_run(counted: Sequence[Poll]) -> list[Poll]:
    """The polls at the end that all say the same."""
    run: list[Poll] = []
    for poll in reversed(counted):
        if run and poll.active != run[0].active:
            break
        run.insert(0, poll)
    return run


def usual_gap(inside: Sequence[Sequence[Poll]]) -> int | None:
    """The lower median of the gaps between polls of one opening."""
    gaps = sorted(later.at_us - earlier.at_us for polls in inside for earlier, later in pairwise(polls))
    return gaps[(len(gaps) - 1) // 2] if len(gaps) >= 3 else None


def open_time(measured: Sequence[Span], from_us: int, until_us: int) -> int:
    return sum(overlap(*span, from_us, until_us) for span in measured)
