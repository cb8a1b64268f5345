"""Generate the polls of sweeps: which stores, at which instants. Must not know statuses or text."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sample.draws import Draws
from services.sample.fleet import Fleet
from services.sample.schedule import PollingSchedule

_SECOND_US: Final = 1_000_000
_MINUTE_US: Final = 60 * _SECOND_US

# Measured: a sweep runs from minute 8 of its hour to the end of it.
_FIRST_OFFSET_US: Final = 8 * _MINUTE_US
_OFFSET_RANGE_US: Final = 44 * _MINUTE_US
# Measured: 62 polls in 8 days for 84 % of the stores, 61 for 14 %, 60 for 2 %.
_MISSED_SHARE: Final = 0.0028
# Chosen: each store has its place in a sweep, kept to within this; with the repeats below it stays within the hour.
_JITTER_US: Final = 90 * _SECOND_US
# Measured: stores polled threefold are polled again within seconds to minutes.
_REPEAT_RANGE_US: Final = 3 * _MINUTE_US
# Measured: a loader meets whole seconds about once a file; chosen so that every file of 100,000 rows has some.
_WHOLE_SECOND_SHARE: Final = 1 / 20_000


@dataclass(frozen=True)
class SweepPolls:
    """SweepPolls in no particular order. Each array has one entry per poll."""

    number: NDArray[np.int64]  # names the poll within the data set: the index of its random draws
    store: NDArray[np.int64]  # index into the fleet
    at_us: NDArray[np.int64]  # microseconds since the epoch


@dataclass(frozen=True)
class Poller:
    """SweepPolls a fleet on a schedule. Sweeps can be generated in any order, and are the same each time."""

    draws: Draws
    fleet: Fleet
    schedule: PollingSchedule

    @cached_property
    def _slot_store(self) -> NDArray[np.int64]:
        """The store of each slot of a sweep: one slot per store, three for a store that is polled threefold."""
        return np.repeat(np.arange(len(self.fleet.polls_per_sweep)), self.fleet.polls_per_sweep)

    @cached_property
    def _slot_repeat(self) -> NDArray[np.int64]:
        """For each slot: 0, 1 or 2 for the first, second or third poll of its store in a sweep."""
        first = np.cumsum(self.fleet.polls_per_sweep) - self.fleet.polls_per_sweep
        return np.arange(self.slots) - first[self._slot_store]

    @cached_property
    def _sweeps(self) -> NDArray[np.int64]:
        """The number of sweeps that poll each store: all, or those before it falls silent, but at least one."""
        before = self.schedule.sweeps_before_last_week
        silent = (self.fleet.silent_after < 1) & (before > 0)
        until = 1 + (self.fleet.silent_after * max(before - 1, 0)).astype(np.int64)
        return np.where(silent, until, len(self.schedule.sweep_us))

    @property
    def slots(self) -> int:
        """The largest number of polls in a sweep."""
        return int(self.fleet.polls_per_sweep.sum())

    def polls(self, first_sweep: int, last_sweep: int) -> SweepPolls:
        """Return the polls of the sweeps `first_sweep` .. `last_sweep` - 1."""
        numbers = np.arange(first_sweep * self.slots, last_sweep * self.slots)
        sweeps, slots = np.divmod(numbers, self.slots)
        polled = sweeps < self._sweeps[self._slot_store[slots]]
        polled &= (self.draws.uniform("missed", numbers) >= _MISSED_SHARE) | (sweeps == 0)
        number, sweep, slot = numbers[polled], sweeps[polled], slots[polled]
        store = self._slot_store[slot]
        at_us = self.schedule.sweep_us[sweep] + self._offset_us(store, sweep, self._slot_repeat[slot])
        whole = self.draws.uniform("whole second", number) < _WHOLE_SECOND_SHARE
        return SweepPolls(number, store, np.where(whole, at_us // _SECOND_US * _SECOND_US, at_us))

    def _offset_us(
        self,
        store: NDArray[np.int64],
        sweep: NDArray[np.int64],
        repeat: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Return the microseconds from the start of the sweep to each poll."""
        visit = sweep * len(self.fleet.polls_per_sweep) + store  # one for the threefold polls of a store
        place = self.draws.uniform("place", store) * _OFFSET_RANGE_US
        jitter = (self.draws.uniform("early", visit) - self.draws.uniform("late", visit)) * _JITTER_US
        offset = _FIRST_OFFSET_US + place + jitter
        for nth in (1, 2):
            wait = self.draws.uniform(f"wait {nth}", visit) * self.draws.uniform(f"haste {nth}", visit)
            offset += np.where(repeat >= nth, wait * _REPEAT_RANGE_US, 0.0)
        return offset.astype(np.int64)
