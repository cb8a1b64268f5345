"""Choose the week of a store to show, and say what to read for it. Must not read anything."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from services.api.use_cases.outage_search import OutageSearch
from services.api.use_cases.timeline import MAX_RANGE, TimelineRequest
from shared.clock import from_us, to_us
from shared.pictures.week import DAYS, midnight_us, monday_of
from shared.uptime.policy import POLICIES, later_us
from shared.uptime.zones import DEFAULT_TIMEZONE
from shared.zone_names import zone_or_utc


@dataclass(frozen=True)
class StoreChoice:
    """What to show of a store: the week that holds `day` (default: that of the newest poll), and the segment at `at_us`."""

    policy: str
    day: date | None = None
    at_us: int | None = None


@dataclass(frozen=True)
class ChosenWeek:
    """A week of a store from its Monday on, as far as the newest poll of any store reaches, and seen from there."""

    policy: str
    monday: date
    zone: ZoneInfo
    newest: datetime

    @classmethod
    def of_choice(cls, timezone: str | None, newest: datetime | None, choice: StoreChoice) -> "ChosenWeek":
        """Choose the week of a store with this zone (None: the default). `newest` is None without a poll."""
        zone = zone_or_utc(timezone or DEFAULT_TIMEZONE)  # to read the week refuses an unknown one
        known = newest or datetime.now(UTC)
        return cls(choice.policy, monday_of(choice.day or known.astimezone(zone).date()), zone, known)

    @cached_property
    def window(self) -> tuple[datetime, datetime]:
        """From its first midnight to its last one, or to the newest poll: the window that a report has for the week."""
        begin, end = (midnight_us(self.monday + timedelta(days=days), self.zone) for days in (0, DAYS))
        return from_us(begin), from_us(min(end, max(begin, to_us(self.newest))))

    @property
    def timeline(self) -> TimelineRequest:
        """What its accounting is made from: also the polls after its end, as long as they change its figures."""
        begin, end = self.window
        as_of = self._seen_from(end + timedelta(microseconds=later_us(POLICIES[self.policy])))
        return TimelineRequest(self.policy, from_time=begin, to_time=end, as_of=as_of)

    def outages(self, store_id: str) -> OutageSearch:
        """What its outages are made from: they may end long after it, so as many later polls as one search reads."""
        begin, end = self.window
        as_of = self._seen_from(begin + MAX_RANGE)
        return OutageSearch(self.policy, [store_id], from_time=begin, to_time=end, as_of=as_of)

    def _seen_from(self, latest: datetime) -> datetime:
        """Return the newest poll, or an earlier instant if later polls are not needed. It is never before the week's end."""
        return max(self.window[1], min(self.newest, latest))
