"""What the view of a day's outages shows: stores with downtime in a part of the day, and where it lies. Must not know HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from services.api.use_cases.day_part import DayPart
from services.api.use_cases.outage_page import ListedOutage
from services.api.use_cases.outages import FoundDowntime
from shared.clock import to_us
from shared.pictures.words import minute_of
from shared.uptime.calendar import Spans
from shared.uptime.intervals import Bools
from shared.uptime.zones import DEFAULT_TIMEZONE

_ENDS = {"unknown": "unknown", "ongoing": "not up again"}
# Stretches as (begin, end) in microseconds, and as shares (x, width) of the part of the day.
_Stretches = Sequence[tuple[int, int]]
_Shares = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class OutageBar:
    """An outage of a store. `parts` is its downtime within the part of the day: none of closed time, nor of closures."""

    outage: ListedOutage
    zone: ZoneInfo
    day: date
    parts: _Shares

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
    """One store with its outages in the part of the day, in order. `down_us` is their downtime within it.

    `open` are its opening hours.
    """

    store_id: str
    bars: Sequence[OutageBar]
    down_us: int
    open: _Shares

    @property
    def first(self) -> OutageBar:
        """The longest one."""
        return max(self.bars, key=lambda bar: bar.outage.down_us)


def group_by_store(
    outages: Sequence[ListedOutage], part: DayPart, given: FoundDowntime
) -> Sequence[StoreOutages]:
    """Return the stores, the most downtime first."""
    found: dict[str, list[ListedOutage]] = {}
    for outage in outages:
        found.setdefault(outage.store_id, []).append(outage)
    place = {store_id: number for number, store_id in enumerate(given.found.store_ids)}
    wanted = np.isin(np.arange(len(place)), [place[store_id] for store_id in found])
    down = _by_store([given.down], wanted)
    opens = _by_store(given.open, wanted)
    stores = [
        _describe(store_id, some, part, down.get(place[store_id], []), opens.get(place[store_id], []))
        for store_id, some in found.items()
    ]
    return sorted(stores, key=lambda store: (-store.down_us, store.store_id))


def _by_store(parts: Sequence[Spans], wanted: Bools) -> Mapping[int, _Stretches]:
    found: dict[int, list[tuple[int, int]]] = {}
    for spans in parts:
        kept = spans.pick(wanted[spans.store])
        for store, *stretch in zip(
            kept.store.tolist(), kept.open_us.tolist(), kept.close_us.tolist(), strict=True
        ):
            found.setdefault(store, []).append((stretch[0], stretch[1]))
    return found


def _describe(
    store_id: str, outages: Sequence[ListedOutage], part: DayPart, down: _Stretches, opens: _Stretches
) -> StoreOutages:
    name = outages[0].timezone or DEFAULT_TIMEZONE
    (start_us,), (end_us,) = (each.tolist() for each in part.bounds_us([name]))
    zone = ZoneInfo(name)

    def shares(stretches: _Stretches, first_us: int, last_us: int) -> _Shares:
        first_us, last_us, length_us = max(first_us, start_us), min(last_us, end_us), end_us - start_us
        clipped = [(max(begin, first_us), min(end, last_us)) for begin, end in stretches]
        return [
            ((begin - start_us) / length_us, (end - begin) / length_us)
            for begin, end in clipped
            if begin < end
        ]

    bars = [
        OutageBar(
            outage,
            zone,
            part.day,
            shares(
                down, to_us(outage.started_at), end_us if outage.ended_at is None else to_us(outage.ended_at)
            ),
        )
        for outage in sorted(outages, key=lambda each: each.started_at)
    ]
    return StoreOutages(
        store_id, bars, sum(each.down_us for each in outages), shares(opens, start_us, end_us)
    )
