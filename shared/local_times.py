"""Which instants a local time means: the rule for times that clocks repeat or skip, for one time as a person writes it.

`shared/uptime/zones.py` has the same rule for whole arrays.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_MICROSECOND: Final = timedelta(microseconds=1)


def instant_of(local: datetime, zone: tzinfo) -> datetime:
    """Return the instant of a local time, in UTC.

    A time that clocks show twice means its first occurrence, one that they skip the first instant after the jump.
    """
    found = instants_of(local, zone)
    return found[0] if found else _jump_over(local, zone)


def instants_of(local: datetime, zone: tzinfo) -> Sequence[datetime]:
    """Return every instant at which clocks show a local time, in UTC: none if they skip it, two if they repeat it."""
    plain = local.replace(tzinfo=None, fold=0)
    both = (plain.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return sorted({at for at in both if at.astimezone(zone).replace(tzinfo=None, fold=0) == plain})


def occurs_twice(at: datetime) -> bool:
    """Return whether clocks show the local time of an aware instant twice, because they go back."""
    return at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset()


def offset_text(at: datetime) -> str:
    """Return how far the local time of an aware instant is from UTC, such as `-05:00`."""
    return at.isoformat()[-6:]


def _jump_over(local: datetime, zone: tzinfo) -> datetime:
    """Return the first instant after the jump that skips a local time, by bisection."""
    # With the offset after the jump the time is still before it, with the offset before it no longer.
    before, after = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0))
    old_offset = before.astimezone(zone).utcoffset()
    while after - before > _MICROSECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == old_offset:
            before = middle
        else:
            after = middle
    return after
