"""Fleets of `uptill sample` as histories of hours, in memory, with effects planted into their polls."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.sample.draws import Draws
from services.sample.fleet import NONE, ZONES, Fleet, build_fleet
from services.sample.polling import Poller
from services.sample.schedule import plan_sweeps
from services.sample.status import Watch
from services.sample.weeks import WEEKS as OPENING_WEEKS
from shared.insights.chunks import Chunks, FleetChunk
from shared.insights.history import HourHistory
from shared.insights.hours import count_minutes
from shared.insights.terms import DAYS
from shared.uptime.batch import StoreHistory
from shared.uptime.calendar import Hours
from shared.uptime.states import Polls
from shared.uptime.zones import DEFAULT_TIMEZONE, zone_table

END: Final = datetime(2024, 10, 15, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_DAY: Final = (END - _EPOCH).days - 2
_CHUNK_STORES: Final = 1_000


@dataclass(frozen=True)
class SampledFleet:
    """The polled stores of a sample, and their polls of nine weeks by store and instant."""

    fleet: Fleet
    stores: StoreHistory

    @cached_property
    def local_s(self) -> NDArray[np.int64]:
        """Local seconds since 1970 of each poll."""
        names = sorted({zone or DEFAULT_TIMEZONE for zone in self.stores.zones})
        place = {name: number for number, name in enumerate(names)}
        zone = np.array([place[zone or DEFAULT_TIMEZONE] for zone in self.stores.zones])
        table = zone_table(names, LAST_DAY - 80, LAST_DAY + 10)
        polls = self.stores.polls
        return table.local_s(zone[polls.store], polls.at_us // 1_000_000)

    def changed(self, changes: NDArray[np.bool_], *, active: bool) -> "SampledFleet":
        """Return the fleet with another state of some polls."""
        polls = self.stores.polls
        states = np.where(changes, active, polls.active)
        return replace(self, stores=replace(self.stores, polls=replace(polls, active=states)))

    def chunks(self) -> Chunks:
        """Return the history of hours, counted once."""
        return hour_chunks(self.stores)


def hour_chunks(stores: StoreHistory) -> Chunks:
    """Return the hours of the eight weeks up to `LAST_DAY`, counted once."""
    minutes = count_minutes(stores, LAST_DAY - DAYS + 1, DAYS)
    zones = [ZoneInfo(zone or DEFAULT_TIMEZONE) for zone in stores.zones]
    ahead = np.array(
        [round((END.astimezone(zone).utcoffset() or timedelta()) / timedelta(hours=1)) for zone in zones]
    )

    def chunks() -> Iterator[FleetChunk]:
        for first in range(0, len(minutes), _CHUNK_STORES):
            part = slice(first, first + _CHUNK_STORES)
            history = HourHistory(minutes[part], LAST_DAY)
            yield FleetChunk(first, np.arange(first, first + history.stores), history, ahead[part])

    return chunks


def sample_fleet(
    stores: int, seed: int, weather: Callable[[Fleet], Fleet] = lambda fleet: fleet
) -> SampledFleet:
    """Return a sampled fleet. `weather` may change how often its stores are down."""
    draws = Draws(seed)
    fleet = weather(build_fleet(draws, stores))
    schedule = plan_sweeps(draws, END, DAYS + 7)
    polls = Poller(draws, fleet, schedule).polls(0, len(schedule.sweep_us))
    active = Watch(draws, fleet, schedule).is_active(polls)
    order = np.lexsort((polls.at_us, polls.store))
    names = list(ZONES)
    zones = [None if number == NONE else names[number] for number in fleet.zone[:stores].tolist()]
    ordered = Polls(polls.store[order], polls.at_us[order], active[order])
    return SampledFleet(fleet, StoreHistory(zones, _hours(fleet, stores), ordered))


def _hours(fleet: Fleet, stores: int) -> Hours:
    rows = [
        (store, row.day_of_week, _seconds(row.opens), _seconds(row.closes))
        for store, week in enumerate(fleet.week[:stores].tolist())
        if week != NONE
        for row in OPENING_WEEKS[week].rows()
    ]
    return Hours(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def _seconds(clock: str) -> int:
    hours, minutes, seconds = map(int, clock.split(":"))
    return int(timedelta(hours=hours, minutes=minutes, seconds=seconds).total_seconds())


def read_fleet(folder: Path) -> tuple[Chunks, int]:
    """Return the hours of the polls in a folder (`store_status*`, `menu_hours.csv`, `timezones.csv`), and the number of stores."""
    (file,) = sorted(folder.glob("store_status_synthetic*"))
    polls = pl.read_csv(file).with_columns(
        at_us=pl.col("timestamp_utc")
        .str.strip_chars_end(" UTC")
        .str.to_datetime(time_unit="us")
        .dt.epoch("us")
    )
    ids = polls["store_id"].unique().sort()
    place = {store_id: number for number, store_id in enumerate(ids.to_list())}
    known = dict(pl.read_csv(folder / "timezones.csv").select("store_id", "timezone_str").rows())
    hours = pl.read_csv(folder / "menu_hours.csv").filter(pl.col("store_id").is_in(ids.implode()))
    rows = [
        (
            place[row["store_id"]],
            row["dayOfWeek"],
            _seconds(row["start_time_local"]),
            _seconds(row["end_time_local"]),
        )
        for row in hours.iter_rows(named=True)
    ]
    polls = polls.with_columns(store=pl.col("store_id").replace_strict(place)).sort("store", "at_us")
    states = Polls(
        polls["store"].to_numpy(), polls["at_us"].to_numpy(), (polls["status"] == "active").to_numpy()
    )
    zones = [known.get(store_id) for store_id in ids.to_list()]
    stores = StoreHistory(zones, Hours(*np.array(rows, dtype=np.int64).T), states)
    return hour_chunks(stores), len(ids)
