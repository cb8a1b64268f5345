"""What the view of a day's outages shows: stores with downtime in a part of the day, and where it lies. Must not know HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.api.use_cases.day_part import DayPart
from services.api.use_cases.outage_page import ListedOutage
from shared.clock import to_us
from shared.pictures.words import minute_of
from shared.uptime.zones import DEFAULT_TIMEZONE

_ENDS = {"unknown": "unknown", "ongoing": "still down"}


@dataclass(frozen=True)
class OutageBar:
    """An outage of a store: its place in the part of the day, as shares of its width."""

    outage: ListedOutage
    zone: ZoneInfo
    day: date
    x: float
    width: float

    @property
    def at_us(self) -> int:
        """An instant in its first stretch of downtime."""
        return to_us(self.outage.started_at)

    @property
    def began(self) -> str:
        return self._moment(self.outage.started_at)

    @property
    def ended(self) -> str:
        ended_at = self.outage.ended_at
        return _ENDS.get(self.outage.end, "") if ended_at is None else self._moment(ended_at)

    @property
    def reason(self) -> str:
        """The polls that speak for it."""
        count = self.outage.polls
        polls = (
            f"{count} inactive poll{'' if count == 1 else 's'}" if count else "no poll, which counts as down"
        )
        if self.outage.began_at_opening:
            polls += ", from the opening on"
        return polls + (", then active again" if self.outage.first_up_poll_at else "")

    def _moment(self, instant: datetime) -> str:
        """Return the local time of day, with the date if it is another one."""
        local = instant.astimezone(self.zone)
        return minute_of(local) if local.date() == self.day else f"{minute_of(local)}, {local:%-d %b}"


@dataclass(frozen=True)
class StoreOutages:
    """One store with its outages in the part of the day, in order. `down_us` is their downtime within it."""

    store_id: str
    bars: Sequence[OutageBar]
    down_us: int

    @property
    def first(self) -> OutageBar:
        """The longest one."""
        return max(self.bars, key=lambda bar: bar.outage.down_us)


def group_by_store(outages: Sequence[ListedOutage], part: DayPart, as_of: datetime) -> Sequence[StoreOutages]:
    """Return the stores, the most downtime first."""
    found: dict[str, list[ListedOutage]] = {}
    for outage in outages:
        found.setdefault(outage.store_id, []).append(outage)
    stores = [_describe(store_id, some, part, to_us(as_of)) for store_id, some in found.items()]
    return sorted(stores, key=lambda store: (-store.down_us, store.store_id))


def _describe(store_id: str, outages: Sequence[ListedOutage], part: DayPart, as_of_us: int) -> StoreOutages:
    name = outages[0].timezone or DEFAULT_TIMEZONE
    (start_us,), (end_us,) = (each.tolist() for each in part.bounds_us([name]))
    zone = ZoneInfo(name)
    bars = []
    for outage in sorted(outages, key=lambda each: each.started_at):
        begin = max(to_us(outage.started_at), start_us)
        end = min(as_of_us if outage.ended_at is None else to_us(outage.ended_at), end_us)
        length = end_us - start_us
        x, width = (begin - start_us) / length, max(end - begin, 0) / length
        bars.append(OutageBar(outage, zone, part.day, x, width))
    return StoreOutages(store_id, bars, sum(each.down_us for each in outages))
