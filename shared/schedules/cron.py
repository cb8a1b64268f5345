"""Compute when a schedule is due: five cron fields in a time zone, read as Debian's cron does, also across clock changes."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from shared.errors import InvalidRequest
from shared.zone_names import NAMED_ZONES

_FIELDS = 5
# A search backwards leaves out the instant where it begins.
_JUST_LATER = timedelta(microseconds=1)


def next_due(cron: str, timezone: str, after: datetime) -> datetime:
    """Return the first due instant later than `after`, in UTC. Raises `InvalidRequest` if there is none.

    A local time that is skipped in spring is due when the gap ends. One that occurs twice in autumn is due at its first
    occurrence. Schedules for every hour or minute follow elapsed time instead.
    """
    return _find_due(cron, timezone, after, reverse=False)


def list_following(cron: str, timezone: str, first: datetime, count: int) -> list[datetime]:
    """Return `first`, which is a due instant, and the following ones in UTC: `count` in all, or fewer if there are no more."""
    found = [first]
    # The expression is valid, so it has no later time.
    with suppress(InvalidRequest):
        while len(found) < count:
            found.append(next_due(cron, timezone, found[-1]))
    return found


def newest_due(cron: str, timezone: str, first: datetime, now: datetime) -> datetime:
    """Return the newest due instant that is not later than `now`. `first` must be a due instant before `now`."""
    last = _find_due(cron, timezone, now + _JUST_LATER, reverse=True)
    # In a repeated hour a backward search may end after `now`, or at an instant that a forward search would not give.
    if first < last <= now and next_due(cron, timezone, last) > now:
        return last
    return first


def _find_due(cron: str, timezone: str, begin: datetime, *, reverse: bool) -> datetime:
    if len(cron.split()) != _FIELDS:
        raise InvalidRequest(
            f"invalid cron expression {cron!r}: give five fields, minute hour day month weekday", field="cron"
        )
    if timezone not in NAMED_ZONES:
        raise InvalidRequest(
            f"unknown time zone {timezone!r}: use an IANA name such as America/New_York", field="timezone"
        )
    try:
        found = next(CronSim(cron, begin.astimezone(ZoneInfo(timezone)), reverse=reverse))
    except CronSimError as error:
        raise InvalidRequest(
            f"invalid cron expression {cron!r}: {error}; fields are minute hour day month weekday",
            field="cron",
        ) from None
    except (StopIteration, OverflowError, ValueError):
        raise InvalidRequest(
            f"the cron expression {cron!r} matches no date: change its day or month", field="cron"
        ) from None
    return found.astimezone(UTC)
