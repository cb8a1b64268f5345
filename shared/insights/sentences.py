"""Findings in one plain sentence each, with their evidence."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from shared.insights.history import DAY_HOURS
from shared.insights.patterns import Pattern

_WEEKDAYS: Final = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")

_WHOLE_FROM: Final = 0.1


def percent(share: float) -> str:
    """Format a share for people: whole percents, and tenths below ten."""
    return f"{100 * share:.0f} %" if share == 0 or abs(share) >= _WHOLE_FROM else f"{100 * share:.1f} %"


def describe_pattern(pattern: Pattern) -> str:
    """Say when a store is down again and again."""
    day, hour = divmod(pattern.begin, DAY_HOURS)
    times = f"{hour:02}:00-{hour + pattern.width:02}:00"
    what = "Down"
    if pattern.opens and not pattern.closes:
        what = "Late opening"
    elif pattern.closes and not pattern.opens:
        what = "Early closing"
    return (
        f"{what} on {_WEEKDAYS[day]}: down {times} in {pattern.down} of {pattern.weeks} weeks,"
        f" against {percent(pattern.rate)} at other times."
    )


def describe_risk(driver: str, expected_hours: float, hours: int, fleet_rate: float | None) -> str:
    """Say how much of its next open hours a store is expected to be down, and why. `fleet_rate`: to compare with, if given.

    `hours`: those whose probability is known.
    """
    if not hours:
        return "Nothing is known about its next open hours."
    because = {
        "state": "because of its last poll",
        "slot": "because of these hours of the week",
        "store": "because this store is down more often than others",
        "label": "because stores with its label are down more often than others",
        "fleet": "as usual for the fleet",
    }[driver]
    ahead = "open hour" if hours == 1 else f"{hours} open hours"
    return (
        f"Expected to be down {percent(expected_hours / hours)} of its next {ahead} {because}"
        f"{'' if fleet_rate is None else f'; the fleet is down {percent(fleet_rate)}'}."
    )


def describe_cause(
    label: tuple[str, str], numbers: tuple[int, int, float | None], times: tuple[datetime, datetime]
) -> str:
    """Say which stores went down together, and how many of them chance explains, if given. `numbers`: down, of, expected."""
    down, stores, expected = numbers
    begin, end = times
    chance = "" if expected is None else f"; chance explains {expected:.1f}"
    return (
        f"{down} of {stores} stores with {label[0]}={label[1]} went down between {begin:%Y-%m-%d %H:%M} and {end:%H:%M} UTC"
        f"{chance}."
    )


def describe_skill(reason: str | None, skill: Mapping[str, float] | None) -> str:
    """Say how much better a method is than the mean of each store, or why it is off. Without a known skill, it is off."""
    if skill is None or reason is not None:
        return f"Off: {reason}."
    value, low, high = (percent(skill[name]) for name in ("value", "low", "high"))
    return f"On: its error is {value} smaller than that of the store's mean (90 % interval: {low} to {high})."


def describe_drift(since: date, before: float, after: float, label: tuple[str, str] | None = None) -> str:
    """Say since when a store is down more or less often. `label`: of several stores."""
    what = "more" if after > before else "less"
    who = "Down" if label is None else f"Stores with {label[0]}={label[1]} are down"
    return (
        f"{who} {what} often since {since.isoformat()}: {percent(after)} of the open hours with polls,"
        f" against {percent(before)} in the weeks before."
    )
