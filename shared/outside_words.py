"""Words for polls that do not count, because the store was closed when they were taken."""

from typing import Final

from shared.texts import count_of

_DAY_US: Final = 86_400_000_000
# A rate of fewer days would be that of one night.
_LEAST_DAYS: Final = 2
NO_POLL: Final = "no poll"
NONE_IN_HOURS: Final = "no poll in opening hours"


def describe_outside(polls: int, length_us: int) -> str:
    """Say that all polls of a window of this length were outside opening hours, and what to do."""
    days = length_us / _DAY_US
    rate = f", about {round(polls / days):,} a day" if days >= _LEAST_DAYS and polls >= days else ""
    return f"{NONE_IN_HOURS}, and {count_of(polls, 'poll')} outside them{rate}: check the hours and the zone"
