"""One store's live state in words: for how long it has lasted, and what comes next, in the store's local time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from services.api.use_cases.live import LiveStore
from services.api.web.words import near_moment, passed
from shared.labels import shown_labels
from shared.pictures.words import NO_VALUE, plain
from shared.uptime.zones import DEFAULT_TIMEZONE
from shared.zone_names import zone_or_utc


@dataclass(frozen=True)
class NowLine:
    """A store at `now`."""

    store: LiveStore
    now: datetime
    zone: ZoneInfo

    @property
    def lasts(self) -> str:
        """For how long the store has been in its state, by both bounds."""
        earliest, latest = self.store.since_earliest, self.store.since_latest
        if self.store.fault is not None:
            return "cannot be computed"
        if latest is None:
            return "over a week" if self.store.state == "silent" else NO_VALUE
        least = passed(self.now - latest)
        if earliest is None:
            return f"{least} or more"
        most = passed(self.now - earliest)
        return least if most == least else f"{least} to {most}"

    @property
    def since(self) -> str:
        """The two instants between which the state began, or the one at which it did."""
        earliest, latest = self.store.since_earliest, self.store.since_latest
        if self.store.fault is not None:
            return plain(self.store.fault)
        if latest is None:
            # It is too far away. Only of a silence the last poll tells more.
            last = self.store.last_poll_at if self.store.state == "silent" else None
            return "" if last is None else f"last poll {self._moment(last)}"
        if earliest is None:
            return f"by {self._moment(latest)}"
        if earliest == latest:
            return f"since {self._moment(latest)}"
        return f"since {self._moment(earliest)} \u2013 {self._moment(latest, beside=earliest)}"

    @property
    def polled(self) -> str:
        """How long ago the last poll was."""
        polled_at = self.store.last_poll_at
        return NO_VALUE if polled_at is None else f"{passed(self.now - polled_at)} ago"

    @property
    def next(self) -> str:
        """When the store closes or opens."""
        if self.store.open_until is not None:
            return f"open until {self._moment(self.store.open_until)}"
        if self.store.opens_at is not None:
            return f"opens {self._moment(self.store.opens_at)}"
        return NO_VALUE

    @property
    def labels(self) -> Mapping[str, str]:
        return shown_labels(self.store.labels)

    def _moment(self, instant: datetime, beside: datetime | None = None) -> str:
        """Return the time of day, with the date unless it is today's, or that of the instant beside it."""
        return near_moment(instant, self.zone, self.now, beside or self.now)


def describe_now(store: LiveStore) -> NowLine:
    """Return the words for a store. A store with an unknown zone is shown in UTC."""
    zone = zone_or_utc(store.timezone or DEFAULT_TIMEZONE)
    return NowLine(store, datetime.now(UTC).replace(microsecond=0), zone)
