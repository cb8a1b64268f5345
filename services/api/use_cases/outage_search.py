"""What outages a caller asks for, and the time that this means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.api.use_cases.day_part import DayPart
from shared.clock import to_us
from shared.errors import InvalidRequest
from shared.reports.insert_report import refuse_future
from shared.uptime.policy import DAY_US
from shared.uptime.window import NAMED_WINDOWS, Window

MAX_RANGE: Final = timedelta(days=62)
AS_A_REPORT: Final = 'or request a report with "files": ["report", "outages"]'


@dataclass(frozen=True)
class OutageSearch:
    """Whose outages to find, and in which time: a window, from and to, or a part of a day; polls after `as_of` are ignored.

    `as_of` defaults to the end, and everything else to the last day before the newest poll of any store. `part` comes alone; its
    outages are seen from a day after it. `most_stores` replaces `MAX_STORES` as the limit. `excluded` are the words of reasons
    whose time is left out, and `word` is one that the outages are chosen by.
    """

    policy: str
    store_ids: Sequence[str] | None = None
    labels: Mapping[str, str] | None = None
    window: Window | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None
    as_of: datetime | None = None
    part: DayPart | None = None
    most_stores: int | None = None
    excluded: Sequence[str] = ()
    word: str | None = None


def resolve_time(
    search: OutageSearch, newest: datetime | None
) -> tuple[int, Window | DayPart | None, tuple[int, int]]:
    """Return as_of, the window or part of a day if one was given, and the range that holds it. Raises `InvalidRequest`."""
    if search.part is not None and newest is not None:
        start_us, end_us = search.part.reach_us
        as_of_us = min(to_us(newest), end_us + DAY_US)
        return as_of_us, search.part, (min(start_us, as_of_us), as_of_us)
    as_of = search.as_of or search.to_time or newest
    if as_of is None:
        raise InvalidRequest(
            "no polls yet, so there is no last day: load some, or give from and to", field="query.to"
        )
    as_of_us = to_us(as_of)
    has_range = search.from_time is not None or search.to_time is not None
    if search.window is not None and has_range:
        raise InvalidRequest(
            "window was given together with from or to: give either window, or from and to",
            field="query.window",
        )
    window = None if has_range else search.window or NAMED_WINDOWS["last_day"]
    if window is not None:
        refuse_future([window], as_of_us, "query.window")
        start_us, end_us = as_of_us - window.reach_from_us(as_of_us), as_of_us
    else:
        end_us = to_us(search.to_time or as_of)
        start_us = to_us(search.from_time) if search.from_time else end_us - DAY_US
    if not start_us <= end_us <= as_of_us:
        raise InvalidRequest(
            "from, to and as_of are out of order: from must not be after to, and to not after as_of",
            field="query.from",
        )
    if as_of_us - start_us > MAX_RANGE // timedelta(microseconds=1) + DAY_US:
        raise InvalidRequest(
            f"the window is too long, or too long ago: outages are listed for at most {MAX_RANGE.days} days up to as_of"
            f" ({as_of:%Y-%m-%d}); choose a shorter one, give an as_of soon after it, {AS_A_REPORT}",
            field="query.from" if window is None else "query.window",
        )
    return as_of_us, window, (start_us, end_us)
