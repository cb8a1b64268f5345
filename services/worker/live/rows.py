"""The rows of `store_now` of a batch as columns. A store that cannot be computed is unknown, with the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.worker.failing_stores import find_failing_stores
from shared.db.arrays import instant_array, int_array
from shared.inputs.batch_input import BatchInput
from shared.uptime.intervals import Int64s
from shared.uptime.live import STATES, UNKNOWN, LiveRows, live_rows
from shared.uptime.live_polls import MISSING
from shared.uptime.policy import DAY_US

_Digests = NDArray[np.uint64]
STATE_NAMES: Final = [state.value for state in STATES]
_PRIME: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)
# `changes_us` is a matter of the batch, not of a row.
_COLUMNS: Final = tuple(field.name for field in fields(LiveRows) if field.name != "changes_us")
_LENGTHS: Final = ("up_us", "down_us", "down_open_us", "usual_gap_us")
_INSTANTS: Final = tuple(name for name in _COLUMNS if name.endswith("_us") and name not in _LENGTHS)
# What one more poll that says the same changes.
_PASSING: Final = ("last_poll_us", "last_active", "inactive_polls", "usual_gap_us")
_LASTING: Final = tuple(name for name in _COLUMNS if name not in _PASSING)


@dataclass(frozen=True)
class LiveTable:
    """The columns of `LiveRows` for every store of a batch, faults by index, and two digests of each row.

    `lasting` is that of the columns which one more poll that says the same leaves as they are.
    """

    columns: Mapping[str, Int64s]
    faults: Mapping[int, str]
    digests: Int64s
    lasting: Int64s
    changes_us: int

    def chosen(self, places: Int64s) -> dict[str, Any]:
        """Return some rows as the parameters of the statement `update_rows`. Words are numbers of a list of words."""
        fault_of = np.zeros(len(self.digests), dtype=np.int64)
        fault_of[list(self.faults)] = np.arange(1, 1 + len(self.faults))
        return {
            **self._arrays(places, _COLUMNS),
            "states": STATE_NAMES,
            "fault": int_array(fault_of[places]),
            "faults": list(self.faults.values()),
        }

    def chosen_passing(self, places: Int64s) -> dict[str, Any]:
        """Return some rows as the parameters of the statement `update_polls`."""
        return self._arrays(places, _PASSING)

    def _arrays(self, places: Int64s, names: Sequence[str]) -> dict[str, Any]:
        digests, lasting = self.digests[places], self.lasting[places]
        arrays: dict[str, Any] = {"digest": int_array(digests), "lasting": int_array(digests ^ lasting)}
        for name in names:
            values = self.columns[name][places]
            if name in _INSTANTS:
                arrays[name.removesuffix("_us")] = instant_array(values, MISSING)
            else:
                arrays[name] = int_array(values)
        return arrays


def make_table(given: BatchInput, batch_no: int, now_us: int, silent_us: int) -> LiveTable:
    """Compute the rows of all stores. One that cannot be computed costs only itself."""
    rows, found = find_failing_stores(given, lambda some: _compute(some, now_us, silent_us))
    faults = {place: fault.detail for place, fault in found}
    number, today_us = len(given.store_ids), now_us - now_us % DAY_US
    columns = {name: np.full(number, MISSING) for name in _COLUMNS}
    for name in ("last_active", "accrues", "up_us", "down_us", "down_open_us", "inactive_polls"):
        columns[name] = np.zeros(number, dtype=np.int64)
    columns["state"][:] = UNKNOWN
    columns["day_from_us"][:] = columns["counted_us"][:] = today_us
    changes_us = today_us + DAY_US
    if rows is not None:
        is_computed = np.ones(number, dtype=np.bool_)
        is_computed[list(faults)] = False
        computed = np.flatnonzero(is_computed)
        for name, column in columns.items():
            column[computed] = getattr(rows, name)
        changes_us = min(changes_us, int(rows.changes_us.min(initial=changes_us)))
    lasting = _digest(columns, _LASTING, batch_no)
    for place, text in faults.items():
        lasting[place] ^= np.uint64(int.from_bytes(text.encode()[:8].ljust(8), "big"))
    digests = _digest(columns, _PASSING, lasting)
    return LiveTable(columns, faults, digests.view(np.int64), lasting.view(np.int64), changes_us)


def _compute(some: BatchInput, now_us: int, silent_us: int) -> LiveRows | None:
    if not some.store_ids:
        return None
    return live_rows(some.history, now_us, silent_us, adjustments=some.adjustments)


def _digest(columns: Mapping[str, Int64s], names: Sequence[str], first: int | _Digests) -> _Digests:
    """Return 64 bits of each row, which begin with `first`: equal rows have equal ones."""
    digest = np.full(len(columns["state"]), first, dtype=np.uint64)
    for name in names:
        digest = (digest ^ columns[name].astype(np.uint64)) * _PRIME
        digest ^= digest >> _SHIFT
    return digest
