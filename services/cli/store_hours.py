"""The weekly hours of a store as fields: those that apply today first."""

from collections.abc import Iterator, Sequence
from typing import Final

from uptill_client import Interval, StoreDetail

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_OTHERWISE: Final = ", but today a special date or its lifetime decides"


def list_hours(store: StoreDetail) -> Iterator[tuple[str, str]]:
    """Yield names and texts. A store with dated hours has each version under the date from which it applies."""
    otherwise = _OTHERWISE if not store.is_open_24x7 else ""
    if not store.dated_hours:
        if store.hours:
            yield from _list_week(store.hours)
        else:
            yield "hours", f"open around the clock, because no hours were imported{otherwise}"
        return
    applies_undated = not any(each.applies_today for each in store.dated_hours)
    versions = [(each.applies_today, f"from {each.effective_from}", each.hours) for each in store.dated_hours]
    if store.hours or applies_undated:
        versions.insert(0, (applies_undated, f"before {store.dated_hours[0].effective_from}", store.hours))
    for applies, when, hours in sorted(versions, key=lambda version: not version[0]):
        yield "hours", f"{when}{' (today)' if applies else ''}"
        if hours:
            yield from _list_week(hours)
        else:
            yield "every day", f"open around the clock{otherwise if applies else ''}"


def _list_week(hours: Sequence[Interval]) -> Iterator[tuple[str, str]]:
    for day, name in enumerate(_DAYS):
        intervals = [each for each in hours if each.day_of_week == day]
        times = ", ".join(f"{each.start_time_local}-{each.end_time_local}" for each in intervals)
        yield name, times or "closed"
