"""Recurrence rules, tested day by day with arrays, give the days that dateutil finds step by step."""

from datetime import date, datetime, time, timedelta

import numpy as np
from dateutil.rrule import rrulestr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.ingest.parse.ical_days import all_days
from services.ingest.parse.ical_lines import Property
from services.ingest.parse.ical_rules import RecurrenceRule

LAST_YEAR = 2035
EPOCH = date(1970, 1, 1)
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
starts = st.dates(date(2014, 1, 1), date(2026, 12, 31))


def some(values: st.SearchStrategy[int], most: int = 3) -> st.SearchStrategy[list[int]]:
    return st.lists(values, min_size=1, max_size=most, unique=True)


def signed(most: int) -> st.SearchStrategy[int]:
    return st.integers(1, most) | st.integers(-most, -1)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Draw rules whose meaning dateutil and RFC 5545 agree on: all days of the week with numbers, or none."""
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY"]))
    parts = [f"FREQ={frequency}"]
    by_date = False
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(st.integers(1, 4))}")
    if draw(st.booleans()):
        parts.append(f"BYMONTH={_join(draw(some(st.integers(1, 12))))}")
    if frequency != "WEEKLY" and draw(st.booleans()):
        parts.append(f"BYMONTHDAY={_join(draw(some(signed(31))))}")
        by_date = True
    if frequency == "YEARLY" and draw(st.integers(0, 4)) == 0:
        parts.append(f"BYYEARDAY={_join(draw(some(signed(366))))}")
        by_date = True
    if draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True))
        if frequency in ("YEARLY", "MONTHLY") and draw(st.booleans()):
            names = [f"{draw(signed(5))}{name}" for name in names]
        parts.append(f"BYDAY={','.join(names)}")
        by_date = True
    if by_date and draw(st.integers(0, 2)) == 0:
        parts.append(f"BYSETPOS={_join(draw(some(signed(4), 2)))}")
    if frequency == "WEEKLY" and draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(DAYS))}")
    if draw(st.integers(0, 3)) == 0:
        parts.append(f"COUNT={draw(st.integers(1, 30))}")
    return ";".join(parts)


def _join(numbers: list[int]) -> str:
    return ",".join(map(str, numbers))


def _oracle_start(text: str, start: date) -> date:
    """Return the first day of the week for positions in a week: dateutil would count them from the start on."""
    if "FREQ=WEEKLY" not in text or "BYSETPOS" not in text:
        return start
    week_start = DAYS.index(text.partition("WKST=")[2][:2] or "MO")
    return start - timedelta(days=(start.weekday() - week_start) % 7)


# dateutil takes a second for a rule that never matches.
@settings(max_examples=25, deadline=None)
@given(rules(), starts)
@example("FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=-1", date(2014, 1, 1))  # the last week reaches into the next year
@example(
    "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=1;WKST=TU", date(2014, 1, 1)
)  # the first week has begun before the start
def test_the_days_are_those_of_dateutil(text: str, start: date) -> None:
    rule = RecurrenceRule.parse(Property(1, "RRULE", {}, text))
    found = [EPOCH + timedelta(days=day) for day in rule.expand(start, all_days(LAST_YEAR)).tolist()]
    # RFC 5545: the start is always the first occurrence, and counts. dateutil has it only if it matches.
    counted = "COUNT" in rule.parts
    oracle = rrulestr(
        text.partition(";COUNT")[0], dtstart=datetime.combine(_oracle_start(text, start), time())
    )
    first, end = (datetime.combine(day, time()) for day in (start, date(LAST_YEAR, 12, 31)))
    expected = sorted({start, *(one.date() for one in oracle.between(first, end, inc=True))})
    if counted:
        expected = expected[: int(rule.parts["COUNT"][0])]
    assert found == expected


def test_leap_days_and_last_days() -> None:
    def days(text: str, start: date) -> list[str]:
        rule = RecurrenceRule.parse(Property(1, "RRULE", {}, text))
        return [str(EPOCH + timedelta(days=day)) for day in rule.expand(start, all_days(2030)).tolist()]

    assert days("FREQ=YEARLY", date(2020, 2, 29)) == ["2020-02-29", "2024-02-29", "2028-02-29"]
    assert days("FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3", date(2024, 1, 31)) == [
        "2024-01-31",
        "2024-02-29",
        "2024-03-31",
    ]
    assert np.all(np.diff(all_days(2030).number) == 1)
