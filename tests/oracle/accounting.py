"""The accounting once more, for one store: slow, obvious, and sharing no line with the engine it judges.

Plain lists, one zoneinfo conversion a boundary, one rule a function. It reads all polls it is given, however old.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Rules(NamedTuple):
    fill: str
    horizon_us: int
    no_data: str = "unknown"
    slot_us: int = 1
    edges: str = "extend"
    scope: str = "span"


RULES: Mapping[str, Rules] = {
    "classic": Rules("nearest", 24 * HOUR_US),
    "strict": Rules("nearest", 2 * HOUR_US),
    "hold": Rules("previous", 24 * HOUR_US),
    "hold-scaled": Rules("previous", 24 * HOUR_US, no_data="scale"),
    "backfill-1m": Rules("next", 24 * HOUR_US, no_data="down", slot_us=MINUTE_US, edges="down_after_last"),
    "slots-15m": Rules("previous", 24 * HOUR_US, slot_us=15 * MINUTE_US),
    "carry": Rules("previous", 7 * DAY_US, scope="all"),
}


class HoursRow(NamedTuple):
    day_of_week: int
    opens_s: int
    closes_s: int


class Poll(NamedTuple):
    """A look, or an event: a change of state at its very instant. The reason is a word, empty if none was given."""

    at_us: int
    active: bool
    event: bool = False
    reason: str = ""


class Span(NamedTuple):
    open_us: int
    close_us: int


class Stretch(NamedTuple):
    begin_us: int
    end_us: int
    active: bool
    poll_us: int


class Parts(NamedTuple):
    """Scheduled time: spans that polls speak about, time that is not asked about, time that counts as up."""

    measured: Sequence[Span]
    excluded: Sequence[Span] = ()
    as_up: Sequence[Span] = ()


def account(
    zone: str | None,
    hours: Sequence[HoursRow],
    polls: Iterable[Poll],
    as_of_us: int,
    policy: str,
    windows: Mapping[str, int | str],
) -> dict[str, dict[str, int]]:
    """The measures of one store: for each window (its length in us, or the calendar's name for it) scheduled_us ... polls."""
    zone = zone or "America/Chicago"
    counted = in_order(polls, as_of_us)
    bounds = {name: window_bounds(zone, as_of_us, window) for name, window in windows.items()}
    spans = open_spans(zone, hours, earliest_us(bounds, counted), as_of_us)
    return account_parts(Parts(spans), counted, as_of_us, policy, bounds)


def account_parts(
    parts: Parts,
    counted: Sequence[Poll],
    as_of_us: int,
    policy: str,
    bounds: Mapping[str, tuple[int, int]],
    excluded: Sequence[str] = (),
) -> dict[str, dict[str, int]]:
    """The measures in windows with these bounds, of a store whose scheduled time and polls in order are given."""
    rules, spans = RULES[policy], parts.measured
    polls_of_spans = [polls_between(counted, span.open_us, span.close_us) for span in spans]
    left_out, stretches = without_reasons(spoken(spans, counted, as_of_us, rules), counted, excluded)
    pairs = [
        pair._replace(begin_us=piece.open_us, end_us=piece.close_us)
        for inside in polls_of_spans
        for pair in agreeing_pairs(inside, rules)
        for piece in cut(Span(pair.begin_us, pair.end_us), left_out)
    ]

    measures = {}
    for name, window in bounds.items():
        left_out_us = sum(overlap(*span, *window) for span in left_out)
        excluded_us = sum(overlap(*span, *window) for span in parts.excluded) + left_out_us
        as_up_us = sum(overlap(*span, *window) for span in parts.as_up)
        measured_us = sum(overlap(*span, *window) for span in spans) - left_out_us
        up_us = sum(overlap(s.begin_us, s.end_us, *window) for s in stretches if s.active)
        down_us = sum(overlap(s.begin_us, s.end_us, *window) for s in stretches if not s.active)
        if rules.no_data == "down":  # which is also what makes the time after the last poll down
            down_us = measured_us - up_us
        if rules.no_data == "scale":
            up_us = measured_us * up_us // (up_us + down_us) if up_us + down_us else 0
            down_us = measured_us - up_us
        open_us = measured_us + as_up_us
        sure_up_us = sum(overlap(p.begin_us, p.end_us, *window) for p in pairs if p.active)
        measures[name] = {
            "scheduled_us": open_us + excluded_us,
            "excluded_us": excluded_us,
            "open_us": open_us,
            "up_us": up_us + as_up_us,
            "down_us": down_us,
            "unknown_us": measured_us - up_us - down_us,
            "up_min_us": sure_up_us + as_up_us,
            "up_max_us": open_us - sum(overlap(p.begin_us, p.end_us, *window) for p in pairs if not p.active),
            "polls": sum(
                window[0] <= poll.at_us < window[1] or poll.at_us == window[1] == as_of_us
                for inside in polls_of_spans
                for poll in inside
                if poll.reason not in excluded
            ),
        }
    return measures


def in_order(polls: Iterable[Poll], as_of_us: int) -> list[Poll]:
    """The polls up to as_of in time order; of several at one instant the last delivered.

    It is an event if the last one that was called an event agrees with it, and has the reason of the last one that gave
    a reason if that agrees with it.
    """
    known = [poll for poll in polls if poll.at_us <= as_of_us]
    last_delivered = {poll.at_us: poll for poll in known}
    last_event = {poll.at_us: poll.active for poll in known if poll.event}
    last_reason = {poll.at_us: poll for poll in known if poll.reason}
    found = []
    for at_us in sorted(last_delivered):
        active = last_delivered[at_us].active
        given = last_reason.get(at_us)
        reason = given.reason if given is not None and given.active is active else ""
        found.append(Poll(at_us, active, last_event.get(at_us) is active, reason))
    return found


def earliest_us(bounds: Mapping[str, tuple[int, int]], counted: Sequence[Poll]) -> int:
    return min([start_us for start_us, _ in bounds.values()] + [poll.at_us for poll in counted[:1]])


def spoken(spans: Sequence[Span], counted: Sequence[Poll], as_of_us: int, rules: Rules) -> list[Stretch]:
    """The time inside the spans that each poll speaks for."""
    if rules.scope == "all":
        return [part for held in hold(counted, as_of_us, rules) for part in while_open(held, spans)]
    return [
        stretch
        for span in spans
        for run in runs(polls_between(counted, span.open_us, span.close_us), rules)
        for stretch in speak(run, span.open_us, min(span.close_us, as_of_us), rules)
    ]


def without_reasons(
    stretches: Sequence[Stretch], counted: Sequence[Poll], excluded: Sequence[str]
) -> tuple[list[Span], list[Stretch]]:
    """The time of polls with an excluded reason, in order, and the stretches of the others."""
    reason_at = {poll.at_us: poll.reason for poll in counted}
    left_out = sorted(
        Span(one.begin_us, one.end_us) for one in stretches if reason_at[one.poll_us] in excluded
    )
    return left_out, [one for one in stretches if reason_at[one.poll_us] not in excluded]


def cut(span: Span, left_out: Sequence[Span]) -> list[Span]:
    """What is left of a span."""
    rest, reached_us = [], span.open_us
    for piece in left_out:
        if piece.open_us < span.close_us and piece.close_us > span.open_us:
            rest.append(Span(reached_us, piece.open_us))
            reached_us = piece.close_us
    return [piece for piece in [*rest, Span(reached_us, span.close_us)] if piece.open_us < piece.close_us]


# ---- windows


def window_bounds(zone: str, as_of_us: int, window: int | str) -> tuple[int, int]:
    if isinstance(window, int):
        return as_of_us - window, as_of_us
    if window.startswith("before:"):
        return bounds_before(zone, as_of_us, window.removeprefix("before:"))
    today = (EPOCH + timedelta(microseconds=as_of_us)).astimezone(ZoneInfo(zone)).date()
    start, end = dates_of(window) if ":" in window else dates_before(window, today)
    start_us, end_us = min(midnight_us(zone, start), as_of_us), min(midnight_us(zone, end), as_of_us)
    return start_us, as_of_us if window.endswith("_to_date") else end_us


def bounds_before(zone: str, as_of_us: int, window: str) -> tuple[int, int]:
    """The bounds of the window before another, which is a number of days such as P30D, or named by the calendar."""
    if window.startswith("P"):
        length_us = int(window[1:-1]) * DAY_US
        return as_of_us - 2 * length_us, as_of_us - length_us
    today = (EPOCH + timedelta(microseconds=as_of_us)).astimezone(ZoneInfo(zone)).date()
    first = dates_of(window)[0] if ":" in window else dates_before(window, today)[0]
    period = {
        "day_of": "day",
        "week_of": "week",
        "month_of": "month",
        "month_to_date": "month",
        "year_to_date": "year",
    }
    kind = period.get(window.split(":", maxsplit=1)[0]) or window.removeprefix("previous_")
    dates = dates_before(f"previous_{kind}", first)
    start_us, end_us = (min(midnight_us(zone, day), as_of_us) for day in dates)
    if window.endswith("_to_date"):
        end_us = min(end_us, start_us + as_of_us - min(midnight_us(zone, first), as_of_us))
    return start_us, end_us


def dates_before(window: str, today: date) -> tuple[date, date]:
    """The first local date of a named window, and the one after its last."""
    first, year = date(today.year, today.month, 1), date(today.year, 1, 1)
    if window == "previous_day":
        return today - timedelta(days=1), today
    if window == "previous_week":
        monday = next(day for n in range(7) if (day := today - timedelta(days=n)).isoweekday() == 1)
        return monday - timedelta(days=7), monday
    if window == "previous_quarter":
        begins = [date(year, month, 1) for year in (today.year - 1, today.year) for month in (1, 4, 7, 10)]
        *_, earlier, this = [begin for begin in begins if begin <= today]
        return earlier, this
    month_before = date(today.year - (today.month == 1), today.month - 1 or 12, 1)
    return {
        "month_to_date": (first, today),
        "previous_month": (month_before, first),
        "year_to_date": (year, today),
        "previous_year": (date(today.year - 1, 1, 1), year),
    }[window]


def dates_of(window: str) -> tuple[date, date]:
    """The first local date of a fixed day, week or month, and the one after its last."""
    kind, text = window.split(":")
    if kind == "day_of":
        day = date(*map(int, text.split("-")))
        return day, day + timedelta(days=1)
    year = int(text[:4])
    if kind == "week_of":
        # Week 1 holds the year's first Thursday.
        thursday = next(day for n in range(1, 8) if (day := date(year, 1, n)).isoweekday() == 4)
        monday = thursday - timedelta(days=3) + timedelta(weeks=int(text[6:]) - 1)
        return monday, monday + timedelta(weeks=1)
    month = int(text[5:])
    return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)


def midnight_us(zone: str, day: date) -> int:
    return instant_us(zone, day, 0)


# ---- hours to spans


def open_spans(zone: str, hours: Sequence[HoursRow], first_us: int, last_us: int) -> list[Span]:
    """The spans of a store around the given range, and some days more on either side."""
    first_date = (EPOCH + timedelta(microseconds=first_us)).date() - timedelta(days=9)
    last_date = (EPOCH + timedelta(microseconds=last_us)).date() + timedelta(days=2)
    if not hours:
        return [Span(instant_us(zone, first_date, 0), instant_us(zone, last_date, 0))]
    intervals = []
    for days in range((last_date - first_date).days):
        day = first_date + timedelta(days=days)
        for row in hours:
            if row.day_of_week == day.weekday():
                closes_s = 86_400 if row.closes_s in {86_399, 86_340} else row.closes_s
                if closes_s <= row.opens_s:
                    closes_s += 86_400
                intervals.append(Span(instant_us(zone, day, row.opens_s), instant_us(zone, day, closes_s)))
    return union(interval for interval in intervals if interval.open_us < interval.close_us)


def union(intervals: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for interval in sorted(intervals):
        if merged and interval.open_us <= merged[-1].close_us:
            merged[-1] = Span(merged[-1].open_us, max(merged[-1].close_us, interval.close_us))
        else:
            merged.append(interval)
    return merged


@cache
def instant_us(zone: str, day: date, second: int) -> int:
    """UTC of a second of a local day: the first occurrence, or the first instant after a jump over it."""
    local = datetime.combine(day + timedelta(days=second // 86_400), time.min) + timedelta(
        seconds=second % 86_400
    )
    aware = local.replace(tzinfo=ZoneInfo(zone), fold=0)
    utc = aware.astimezone(UTC)
    if utc.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local:
        utc = jump_over(ZoneInfo(zone), aware)
    return (utc - EPOCH) // timedelta(microseconds=1)


def jump_over(zone: ZoneInfo, skipped: datetime) -> datetime:
    """The instant of the jump that skips a nonexistent local time, to the second."""
    before, after = skipped.replace(fold=1).astimezone(UTC), skipped.replace(fold=0).astimezone(UTC)
    offset_before = before.astimezone(zone).utcoffset()
    seconds = range((after - before) // timedelta(seconds=1) + 1)
    changed = bisect_left(
        seconds,
        True,
        key=lambda s: (before + timedelta(seconds=s)).astimezone(zone).utcoffset() != offset_before,
    )
    return before + timedelta(seconds=changed)


# ---- polls to state


def polls_between(polls: Sequence[Poll], first_us: int, end_us: int) -> list[Poll]:
    """Of polls in time order those with `first_us <= at < end_us`."""
    begin = bisect_left(polls, first_us, key=lambda poll: poll.at_us)
    return list(polls[begin : bisect_left(polls, end_us, key=lambda poll: poll.at_us)])


def runs(polls: Sequence[Poll], rules: Rules) -> list[list[Poll]]:
    """Polls of a span, parted where more than two horizons lie between two of them: too far to know of each other."""
    parted: list[list[Poll]] = []
    for poll in polls:
        if parted and poll.at_us - parted[-1][-1].at_us <= 2 * rules.horizon_us:
            parted[-1].append(poll)
        else:
            parted.append([poll])
    return parted


def speak(polls: Sequence[Poll], open_us: int, close_us: int, rules: Rules) -> list[Stretch]:
    """The time each poll of a run speaks for, in the open time that the run is in."""
    first_us = polls[0].at_us
    if rules.fill == "previous" and first_us - open_us > rules.horizon_us:
        open_us = first_us  # a poll after a long silence never speaks backwards
    if polls[0].event:
        open_us = first_us  # before a change the state was another
    breaks = [
        slot_after(later.at_us, rules) if later.event else break_us(earlier.at_us, later.at_us, rules)
        for earlier, later in pairwise(polls)
    ]
    last_us = slot_after(polls[-1].at_us, rules) if rules.edges == "down_after_last" else close_us
    stretches = [
        Stretch(
            max(begin_us, poll.at_us - rules.horizon_us),
            min(end_us, poll.at_us + rules.horizon_us, close_us),
            poll.active,
            poll.at_us,
        )
        for poll, begin_us, end_us in zip(polls, [open_us, *breaks], [*breaks, last_us], strict=True)
    ]
    return [stretch for stretch in stretches if stretch.begin_us < stretch.end_us]


def break_us(earlier_us: int, later_us: int, rules: Rules) -> int:
    breaks = {"nearest": (earlier_us + later_us) // 2, "previous": later_us, "next": earlier_us}
    return slot_after(breaks[rules.fill], rules)


def slot_after(at_us: int, rules: Rules) -> int:
    return (at_us + rules.slot_us - 1) // rules.slot_us * rules.slot_us


def hold(polls: Sequence[Poll], as_of_us: int, rules: Rules) -> list[Stretch]:
    """Every poll holds until the next one, open or closed, for at most one horizon."""
    ends = [*(poll.at_us for poll in polls[1:]), as_of_us]
    return [
        Stretch(poll.at_us, min(end_us, poll.at_us + rules.horizon_us), poll.active, poll.at_us)
        for poll, end_us in zip(polls, ends, strict=False)
    ]


def while_open(stretch: Stretch, spans: Sequence[Span]) -> list[Stretch]:
    parts = [
        stretch._replace(
            begin_us=max(stretch.begin_us, span.open_us), end_us=min(stretch.end_us, span.close_us)
        )
        for span in spans
        if span.open_us < stretch.end_us and stretch.begin_us < span.close_us
    ]
    return [part for part in parts if part.begin_us < part.end_us]


# ---- state to numbers


def agreeing_pairs(polls: Sequence[Poll], rules: Rules) -> list[Stretch]:
    """The time between consecutive polls of one span that agree, or of which the later one tells when the state ended."""
    longest_us = (2 if rules.fill == "nearest" else 1) * rules.horizon_us
    return [
        Stretch(earlier.at_us, later.at_us, earlier.active, earlier.at_us)
        for earlier, later in pairwise(polls)
        if (
            later.at_us - earlier.at_us <= rules.horizon_us
            if later.event
            else earlier.active == later.active and later.at_us - earlier.at_us <= longest_us
        )
    ]


def overlap(begin_us: int, end_us: int, other_begin_us: int, other_end_us: int) -> int:
    return max(min(end_us, other_end_us) - max(begin_us, other_begin_us), 0)
