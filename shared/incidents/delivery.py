"""Whom a rule tells, and when. Quiet hours delay what is told and never what is evaluated. Must not know the database."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from shared.errors import InvalidRequest
from shared.local_times import instant_of
from shared.texts import quoted
from shared.zone_names import NAMED_ZONES

STORE_ZONE: Final = "store"
MAX_CHANNELS: Final = 10
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_EVERY_DAY: Final = tuple(range(7))
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Delivery:
    """Which channels are told, and when. Without channels there are no messages. Raises `InvalidRequest`.

    Nothing is sent from `quiet_from` to `quiet_until`, nor on other weekdays than `weekdays` (0: Monday), in the zone: an IANA
    name, or "store" for that of each store.
    """

    channels: Sequence[str] = ()
    quiet_from: str | None = None
    quiet_until: str | None = None
    weekdays: Sequence[int] = _EVERY_DAY
    zone: str = STORE_ZONE
    digest_minutes: int = 0
    remind_minutes: int = 0
    escalate_channel: str | None = None
    escalate_after_minutes: int = 0

    def __post_init__(self) -> None:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise _invalid("quiet_until", "quiet_from and quiet_until belong together: give both or none")
        for name in ("quiet_from", "quiet_until"):
            given = getattr(self, name)
            if given is not None and not _TIME.fullmatch(given):
                raise _invalid(name, f"invalid {name} {quoted(given)}: use a time such as 22:00")
        if self.quiet_from is not None and self.quiet_from == self.quiet_until:
            raise _invalid("quiet_until", "quiet_from equals quiet_until: leave both out for no quiet hours")
        if not self.weekdays or len(set(self.weekdays)) < len(self.weekdays):
            raise _invalid("weekdays", "weekdays must name at least 1 day, and each day once")
        if self.zone != STORE_ZONE and self.zone not in NAMED_ZONES:
            raise _invalid(
                "zone",
                f"unknown time zone {quoted(self.zone)}: use an IANA name such as America/New_York, or store",
            )
        if (self.escalate_channel is None) != (self.escalate_after_minutes == 0):
            raise _invalid(
                "escalate_after_minutes",
                "escalate_channel and escalate_after_minutes belong together: give both or none",
            )

    @property
    def all_channels(self) -> Sequence[str]:
        """All channels that are named."""
        return (*self.channels, *([self.escalate_channel] if self.escalate_channel else []))

    def as_json(self) -> dict[str, Any]:
        """Return the terms as they are stored."""
        return {**asdict(self), "channels": list(self.channels), "weekdays": list(self.weekdays)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return stored terms. Those of a newer release are left out."""
        return cls(**{name: value for name, value in stored.items() if name in cls.__dataclass_fields__})

    def told_from(self, now: datetime, store_zone: str) -> datetime:
        """Return when something that happens `now` may be told: the end of the digest's interval, after quiet hours."""
        at = now.astimezone(UTC)
        if self.digest_minutes:
            interval_s = self.digest_minutes * 60
            at = datetime.fromtimestamp(-(-at.timestamp() // interval_s) * interval_s, UTC)
        return self._after_quiet(at, ZoneInfo(store_zone if self.zone == STORE_ZONE else self.zone))

    def _after_quiet(self, at: datetime, zone: ZoneInfo) -> datetime:
        # A quiet time may end on a weekday without messages, and the next day may begin quiet: at most a week of both.
        for _ in range(2 * (len(_EVERY_DAY) + 1)):
            local = at.astimezone(zone)
            if local.weekday() not in self.weekdays:
                at = instant_of(datetime.combine(local.date() + _ONE_DAY, time(0)), zone)
            elif (ends := self._quiet_ends(local, zone)) is not None and ends > at:
                at = ends
            else:
                return at
        return at

    def _quiet_ends(self, local: datetime, zone: ZoneInfo) -> datetime | None:
        if self.quiet_from is None or self.quiet_until is None:
            return None
        begins, ends = time.fromisoformat(self.quiet_from), time.fromisoformat(self.quiet_until)
        clock = local.time()
        is_quiet = begins <= clock < ends if begins < ends else clock >= begins or clock < ends
        if not is_quiet:
            return None
        day = local.date() if clock < ends else local.date() + _ONE_DAY
        return instant_of(datetime.combine(day, ends), zone)


def _invalid(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, field=f"body.delivery.{name}")
