"""The outages of one store in one window: its measured time laid out in order, and read from left to right."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from tests.oracle.accounting import (
    DAY_US,
    RULES,
    Poll,
    Rules,
    Span,
    Stretch,
    cut,
    in_order,
    overlap,
    spoken,
    window_bounds,
    without_reasons,
)
from tests.oracle.calendars import Terms, parts_of

LOOKBACK_US = 8 * DAY_US


class Tile(NamedTuple):
    begin_us: int
    end_us: int
    state: str
    poll_us: int | None
    reason: str = ""


class Outage(NamedTuple):
    started_us: int
    ended_us: int | None
    end: str
    down_us: int
    polls: int
    began_at_opening: bool
    starts_before_window: bool
    last_up_poll_us: int | None
    first_down_poll_us: int | None
    last_down_poll_us: int | None
    first_up_poll_us: int | None
    reasons: tuple[str, ...] = ()


class ReasonTime(NamedTuple):
    reason: str
    down_us: int
    outages: int


def outages(
    zone: str | None,
    terms: Terms,
    polls: Iterable[Poll],
    as_of_us: int,
    policy: str,
    window: int | str,
    excluded: Sequence[str] = (),
) -> list[Outage]:
    """The outages that have begun before the end of the window, as seen from as_of."""
    runs, spans, end_us, was_down = read_window(zone, terms, polls, as_of_us, policy, window, excluded)
    return [
        outage(runs, place, spans, end_us, was_down=was_down)
        for place, (state, run) in enumerate(runs)
        if state == "down" and run[0].begin_us < end_us
    ]


def reason_times(
    zone: str | None,
    terms: Terms,
    polls: Iterable[Poll],
    as_of_us: int,
    policy: str,
    window: int | str,
    excluded: Sequence[str] = (),
) -> list[ReasonTime]:
    """The down time of the window by reason, and in how many outages it lies; without reasons that have none."""
    runs, _, end_us, _ = read_window(zone, terms, polls, as_of_us, policy, window, excluded)
    found: dict[str, list[int]] = {}
    for state, run in runs:
        for reason in {tile.reason for tile in run} if state == "down" else ():
            down_us = sum(
                overlap(tile.begin_us, tile.end_us, 0, end_us) for tile in run if tile.reason == reason
            )
            if down_us:
                found.setdefault(reason, []).append(down_us)
    return [ReasonTime(reason, sum(found[reason]), len(found[reason])) for reason in sorted(found)]


def read_window(
    zone: str | None,
    terms: Terms,
    polls: Iterable[Poll],
    as_of_us: int,
    policy: str,
    window: int | str,
    excluded: Sequence[str],
) -> tuple[list[tuple[str, list[Tile]]], list[Span], int, bool]:
    """The runs of equal states from the window's start on, all spans, the window's end, and whether it was down before."""
    zone, rules = zone or "America/Chicago", RULES[policy]
    start_us, end_us = window_bounds(zone, as_of_us, window)
    counted = in_order(polls, as_of_us)
    first_us = min([start_us, *(poll.at_us for poll in counted[:1])])
    parts = parts_of(zone, terms, first_us, as_of_us)
    left_out, stretches = without_reasons(spoken(parts.measured, counted, as_of_us, rules), counted, excluded)
    spans = [piece for span in parts.measured for piece in cut(span, left_out)]
    reason_at = {poll.at_us: poll.reason for poll in counted}
    before = tiles(spans, stretches, reason_at, start_us - LOOKBACK_US, start_us, rules)
    after = tiles(spans, stretches, reason_at, start_us, as_of_us, rules)
    runs = [(state, list(run)) for state, run in groupby(after, key=lambda tile: tile.state)]
    return runs, spans, end_us, bool(before) and before[-1].state == "down"


def tiles(
    spans: Sequence[Span],
    stretches: Iterable[Stretch],
    reason_at: Mapping[int, str],
    from_us: int,
    to_us: int,
    rules: Rules,
) -> list[Tile]:
    """The measured time in a range, in order, with no time left out."""
    silent = "down" if rules.no_data == "down" else "unknown"
    stretches = sorted(stretches)
    laid: list[Tile] = []
    for span in spans:
        reached_us, close_us = max(span.open_us, from_us), min(span.close_us, to_us)
        for stretch in stretches:
            begin_us, end_us = max(stretch.begin_us, reached_us), min(stretch.end_us, close_us)
            if begin_us < end_us:
                if reached_us < begin_us:
                    laid.append(Tile(reached_us, begin_us, silent, None))
                state = "up" if stretch.active else "down"
                laid.append(Tile(begin_us, end_us, state, stretch.poll_us, reason_at[stretch.poll_us]))
                reached_us = end_us
        if reached_us < close_us:
            laid.append(Tile(reached_us, close_us, silent, None))
    return laid


def outage(
    runs: Sequence[tuple[str, list[Tile]]], place: int, spans: Sequence[Span], end_us: int, *, was_down: bool
) -> Outage:
    """The run at this place: all down, and the runs before and after it are not."""
    _, run = runs[place]
    before = runs[place - 1] if place > 0 else ("nothing", [])
    after = runs[place + 1] if place + 1 < len(runs) else ("ongoing", [])
    speaking = sorted({tile.poll_us for tile in run if tile.poll_us is not None})
    return Outage(
        started_us=run[0].begin_us,
        ended_us=None if after[0] == "ongoing" else run[-1].end_us,
        end=after[0],
        down_us=sum(overlap(tile.begin_us, tile.end_us, 0, end_us) for tile in run),
        polls=len(speaking),
        began_at_opening=any(span.open_us == run[0].begin_us for span in spans),
        starts_before_window=place == 0 and was_down,
        last_up_poll_us=before[1][-1].poll_us if before[0] == "up" else None,
        first_down_poll_us=speaking[0] if speaking else None,
        last_down_poll_us=speaking[-1] if speaking else None,
        first_up_poll_us=after[1][0].poll_us if after[0] == "up" else None,
        reasons=tuple(dict.fromkeys(tile.reason for tile in run if tile.reason)),
    )
