"""A store as alert rules see it: its live state at one instant. Instants and lengths are microseconds."""

from collections.abc import Mapping
from typing import Final, NamedTuple

MINUTE_US: Final = 60_000_000
DAY_US: Final = 86_400_000_000
# As in live state: a store is not quiet before the first, and is after the second, however often it is polled.
_SHORTEST_US: Final = 5 * MINUTE_US
_LONGEST_US: Final = DAY_US
# A store that is silent since an instant out of view, eight days ago on the date of now, is so since this instant at the latest.
_LONG_SILENT_US: Final = 7 * DAY_US
OPEN_STATES: Final = frozenset({"up", "down", "unknown", "silent"})
# `ended` and `excluded` end what an incident is about. `closed` does not: the store may be down when it opens again.
GONE_STATES: Final = frozenset({"ended", "excluded"})


class WatchedStore(NamedTuple):
    """The columns of `store_now` at `as_of`, with `down_open_us` as it is then. What a store does not have is None.

    `hours_from_us` is the opening, `open_from_us` the end of the last closure since, or else the opening too.
    """

    key: int
    labels: Mapping[str, str]
    state: str
    since_earliest_us: int | None
    since_latest_us: int | None
    last_poll_us: int | None
    hours_from_us: int | None
    open_from_us: int | None
    open_until_us: int | None
    inactive_polls: int
    down_open_us: int
    usual_gap_us: int | None

    @property
    def quiet_from_us(self) -> int | None:
        """The last poll, or the opening if that was later; None: neither is known."""
        return max((at for at in (self.last_poll_us, self.open_from_us) if at is not None), default=None)

    def silent_by_us(self, now_us: int) -> int:
        """Return the instant at which a silent store was silent at the latest."""
        if self.since_latest_us is None:
            return now_us - now_us % DAY_US - _LONG_SILENT_US
        return self.since_latest_us

    def is_quiet(self, now_us: int, missed_polls: int) -> bool:
        """Whether there was no poll for this number of usual gaps while open. `quiet` in incidents.sql is the same rule."""
        if self.state not in OPEN_STATES or self.last_poll_us is None:
            return False
        if self.usual_gap_us is None:
            return self.state == "silent"
        patience_us = min(max(missed_polls * self.usual_gap_us, _SHORTEST_US), _LONGEST_US)
        return self.quiet_from_us is not None and now_us - self.quiet_from_us >= patience_us

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether the store has all of the labels."""
        return self.labels.items() >= labels.items()
