"""The file `summary` of a report, computed store by store and quarter of an hour by quarter of an hour."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.oracle.accounting import (
    EPOCH,
    HOUR_US,
    MINUTE_US,
    Poll,
    account_parts,
    earliest_us,
    in_order,
    window_bounds,
)
from tests.oracle.calendars import Terms, parts_of

COLUMNS = (
    "window,section,group,stores,availability,previous_availability,availability_change,"
    "down_h,previous_down_h,down_h_change,up_h,previous_up_h,unknown_h,previous_unknown_h,"
    "excluded_h,previous_excluded_h,previous_stores"
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_VALUES = 100


class SummaryStore(NamedTuple):
    zone: str | None
    labels: Mapping[str, str]
    terms: Terms
    polls: Sequence[Poll]


class Times(NamedTuple):
    up_us: int = 0
    down_us: int = 0
    unknown_us: int = 0
    excluded_us: int = 0

    def plus(self, other: "Times") -> "Times":
        return Times(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def share(self) -> int | None:
        """Parts per million."""
        known_us = self.up_us + self.down_us
        return floor(Fraction(self.up_us * 1_000_000, known_us)) if known_us else None


class Measured(NamedTuple):
    """What a window holds: the times of each store, and those of all stores by hour of the week."""

    of_store: Mapping[str, Times]
    by_hour: Sequence[Times]


def summary_file(
    stores: Mapping[str, SummaryStore],
    as_of_us: int,
    policy: str,
    windows: Mapping[str, tuple[int | str, int | str | None]],
) -> bytes:
    """The bytes of the file. A window has a name, and comes with the window before, if there is one."""
    lines = [COLUMNS]
    for name, pair in windows.items():
        lines += [f"{name},{line}" for line in window_lines(stores, as_of_us, policy, pair)]
    return "".join(f"{line}\n" for line in lines).encode()


def window_lines(
    stores: Mapping[str, SummaryStore], as_of_us: int, policy: str, pair: tuple[int | str, int | str | None]
) -> list[str]:
    now = measure_window(stores, as_of_us, policy, pair[0])
    before = None if pair[1] is None else measure_window(stores, as_of_us, policy, pair[1])
    lines = [sum_line("all,", now, before, list(stores))]
    for zone in sorted({zone_of(store) for store in stores.values()}):
        members = [name for name, store in stores.items() if zone_of(store) == zone]
        lines += group_lines(f"zone,{zone}", now, before, members)
    for label in sorted({label for store in stores.values() for label in store.labels}):
        values = sorted({store.labels.get(label, "") for store in stores.values()})
        if len([value for value in values if value]) <= MOST_VALUES:
            for value in values:
                members = [n for n, store in stores.items() if store.labels.get(label, "") == value]
                lines += group_lines(f"label:{label},{value}", now, before, members)
    for number, day in enumerate(DAYS):
        earlier = day_of(before.by_hour, number) if before else None
        lines.append(times_line(f"weekday,{day}", ("", ""), day_of(now.by_hour, number), earlier))
    for number in range(168):
        head = f"hour,{DAYS[number // 24]} {number % 24:02}:00"
        earlier = before.by_hour[number] if before else None
        lines.append(times_line(head, ("", ""), now.by_hour[number], earlier))
    ranked = {
        name: (times.share, times)
        for name, times in sorted(now.of_store.items(), key=lambda item: item[0].encode())
        if times.share is not None
    }
    lowest = sorted(ranked, key=lambda n: (ranked[n][0], -ranked[n][1].down_us))
    highest = sorted(ranked, key=lambda n: (-(ranked[n][0] or 0), -ranked[n][1].up_us))
    for section, names in (("lowest", lowest), ("highest", highest)):
        lines += [sum_line(f"{section},{name}", now, before, [name]) for name in names[:10]]
    return lines


def measure_window(
    stores: Mapping[str, SummaryStore], as_of_us: int, policy: str, window: int | str
) -> Measured:
    bounds = {name: bounds_of(store, as_of_us, window) for name, store in stores.items()}
    return Measured(
        {name: times_in(store, as_of_us, policy, bounds[name]) for name, store in stores.items()},
        sum_hours([hours_in(store, as_of_us, policy, bounds[name]) for name, store in stores.items()]),
    )


def group_lines(head: str, now: Measured, before: Measured | None, names: Sequence[str]) -> list[str]:
    """The line of a group, or none if no store had opening hours."""
    sides = [now, before] if before else [now]
    is_open = any(any(side.of_store[name]) for name in names for side in sides)
    return [sum_line(head, now, before, names)] if is_open else []


def sum_line(head: str, now: Measured, before: Measured | None, names: Sequence[str]) -> str:
    mine = [now.of_store[name] for name in names]
    earlier = [before.of_store[name] for name in names] if before else []
    counts = [str(sum(any(times) for times in some)) for some in (mine, earlier)]
    return times_line(
        head, (counts[0], counts[1] if before else ""), total(mine), total(earlier) if before else None
    )


def total(some: Sequence[Times]) -> Times:
    summed = Times()
    for each in some:
        summed = summed.plus(each)
    return summed


def times_line(head: str, stores: tuple[str, str], now: Times, before: Times | None) -> str:
    earlier = before.share if before else None
    change = None if now.share is None or earlier is None else now.share - earlier
    fields = [head, stores[0], *(decimals(share, 6) for share in (now.share, earlier, change))]
    for name in ("down_us", "up_us", "unknown_us", "excluded_us"):
        shown = shown_h(getattr(now, name))
        was = None if before is None else shown_h(getattr(before, name))
        fields += [decimals(shown), decimals(was)]
        if name == "down_us":
            fields.append(decimals(None if was is None else shown - was))
    return ",".join([*fields, stores[1]])


def shown_h(us: int) -> int:
    """Ten-thousandths of an hour, rounded half up."""
    return floor(Fraction(us * 10_000, HOUR_US) + Fraction(1, 2))


def decimals(number: int | None, places: int = 4) -> str:
    if number is None:
        return ""
    digits = f"{abs(number):0{places + 1}}"
    return f"{'-' if number < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def zone_of(store: SummaryStore) -> str:
    return store.zone or "America/Chicago"


def bounds_of(store: SummaryStore, as_of_us: int, window: int | str) -> tuple[int, int]:
    return window_bounds(zone_of(store), as_of_us, window)


def times_in(store: SummaryStore, as_of_us: int, policy: str, bounds: tuple[int, int]) -> Times:
    (times,) = times_between(store, as_of_us, policy, [bounds])
    return times


def times_between(
    store: SummaryStore, as_of_us: int, policy: str, some: Sequence[tuple[int, int]]
) -> list[Times]:
    counted = in_order(store.polls, as_of_us)
    named = {str(number): bounds for number, bounds in enumerate(some)}
    parts = parts_of(zone_of(store), store.terms, earliest_us(named, counted), as_of_us)
    measured = account_parts(parts, counted, as_of_us, policy, named)
    return [Times(*(measured[name][field] for field in Times._fields)) for name in named]


def hours_in(store: SummaryStore, as_of_us: int, policy: str, bounds: tuple[int, int]) -> Mapping[int, Times]:
    """The times by hour of the local week. No clock of a zone is ahead of UTC by a part of a quarter of an hour."""
    start_us, end_us = bounds
    step_us = 15 * MINUTE_US
    edges = [start_us, *range(start_us // step_us * step_us + step_us, end_us, step_us), end_us]
    pieces = list(pairwise(edges)) if start_us < end_us else []
    # What is scaled is a whole window.
    policy = "hold" if policy == "hold-scaled" else policy
    summed: dict[int, Times] = defaultdict(Times)
    for (begin_us, _), times in zip(pieces, times_between(store, as_of_us, policy, pieces), strict=True):
        local = (EPOCH + timedelta(microseconds=begin_us)).astimezone(ZoneInfo(zone_of(store)))
        hour = local.weekday() * 24 + local.hour
        summed[hour] = summed[hour].plus(times)
    return summed


def sum_hours(of_stores: Sequence[Mapping[int, Times]]) -> list[Times]:
    return [total([hours.get(number, Times()) for hours in of_stores]) for number in range(168)]


def day_of(hours: Sequence[Times], number: int) -> Times:
    return total(hours[number * 24 : number * 24 + 24])
