"""The time zones of one delivery. Several rows of a store are each compared with the one before; the last one wins."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.zones import FIXED_ZONES
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.packed_delivery import Counts, PackedDelivery
from services.ingest.write.packed_rows import Fields, Ints
from services.ingest.write.remarks import Remarks
from shared.columns import RepeatedValues, ValueColumn
from shared.db.queries import queries
from shared.db.ragged_rows import copy_ragged

_SQL = queries("ingest")
_LOWEST: Final = -(2**31) - 1  # below all keys
_NONE: Final = np.zeros(0, np.int64)
_WANTED: Final = {"store_key": "integer", "first_import": "uuid", "first_zone": "text", "last_zone": "text"}


class ZonesDelivery(PackedDelivery):
    """The time zones of the stores of some files."""

    def __init__(self, ledger: ImportLedger, ids: Sequence[UUID]) -> None:
        """Read the staged rows of the imports."""
        self._names: dict[tuple[str, str | None], int] = {}
        super().__init__(ledger, ids, self._encode)

    def _encode(self, _: UUID, values: Sequence[Fields]) -> Ints:
        """Return the numbers of names: what a zone is called, and how the file writes it if that is a Windows name."""
        names = [(fields["timezone"], fields["written_zone"]) for fields in values]
        return np.array([self._names.setdefault(name, len(self._names)) for name in names], np.int64)

    @cached_property
    def _zone(self) -> Ints:
        """By the number of a name: which of the names first meant the same zone."""
        first: dict[str, int] = {}
        return np.array([first.setdefault(zone, place) for (zone, _), place in self._names.items()], np.int64)

    def apply(self, change: AdjustmentChange) -> Counts:
        """Find the first and the last zone of each store. Yield how the rows of each import count."""
        keys, order, is_first = _group([file.keys[file.store] for file in self._files])
        zone = self._zone[np.concatenate([_NONE, *(file.value for file in self._files)])][order]
        place = np.repeat(np.arange(len(self._files)), [len(file.store) for file in self._files])[order]
        is_same = np.diff(zone, prepend=-1) == 0
        for number, file in enumerate(self._files):
            later = ~is_first & (place == number)
            same = int(np.count_nonzero(is_same & later))
            yield file.import_id, RowCounts(duplicate=same, corrected=int(np.count_nonzero(later)) - same)
        firsts = np.flatnonzero(is_first)
        lasts = np.append(firsts[1:], len(keys)) - 1 if len(keys) else firsts
        self._want(keys[firsts], place[firsts], zone[firsts], zone[lasts])
        for import_id, *zones, changed in self._conn.execute(_SQL["apply_timezones"], {"seq": change.seq}):
            yield import_id, RowCounts(*zones)
            change.weekly_changed |= changed

    def _want(self, keys: Ints, place: Ints, first: Ints, last: Ints) -> None:
        """Put the stores into the temporary table."""
        names = [zone for zone, _ in self._names]
        columns: dict[str, ValueColumn] = {
            "store_key": keys,
            "first_import": RepeatedValues([file.import_id.bytes for file in self._files], place),
            "first_zone": RepeatedValues(names, first),
            "last_zone": RepeatedValues(names, last),
        }
        self._conn.execute(_SQL["create_wanted_zones"])
        copy_ragged(self._conn, "wanted_zones", _WANTED, columns)
        self._conn.execute(_SQL["analyze_wanted_zones"])

    def remark(self, remarks: Remarks) -> None:
        """Add which Windows names were read, which zones never change their clocks, and which rows contradict each other."""
        remarks.add_windows(self._find_windows())
        remarks.add_fixed_zones(self._find_fixed())
        remarks.add_contradictions(self._find_contradictions())

    def set_stores(self, change: AdjustmentChange) -> None:
        """Set the zones."""
        self._conn.execute(_SQL["set_timezones"], {"seq": change.seq})

    def _find_windows(self) -> Iterator[tuple[UUID, str, str]]:
        names = list(self._names)
        for file in self._files:
            used = [names[place] for place in np.unique(file.value).tolist()]
            for written, zone in sorted((written, zone) for zone, written in used if written):
                yield file.import_id, written, zone

    def _find_fixed(self) -> Iterator[tuple[UUID, str, str]]:
        """Yield stores whose zone, by the last row of their file, never changes its clocks."""
        names = [zone for zone, _ in self._names]
        fixed = np.array([zone in FIXED_ZONES for zone in names], np.bool_)
        for file in self._files if fixed.any() else ():
            last = np.zeros(len(file.ids), np.int64)
            last[file.store] = np.arange(len(file.store))
            rows = np.sort(last[file.has_store])
            for row in rows[fixed[file.value[rows]]].tolist():
                yield file.import_id, file.ids[int(file.store[row])], names[file.value[row]]

    def _find_contradictions(self) -> Iterator[tuple[UUID, int, str, int, int]]:
        """Yield how many stores have rows of different zones in one file, and the first one with its first and last line."""
        for file in self._files:
            zone = self._zone[file.value]
            first = np.zeros(len(file.ids), np.int64)
            first[file.store[::-1]] = zone[::-1]
            differs = np.zeros(len(file.ids), np.bool_)
            differs[file.store[zone != first[file.store]]] = True
            rows = np.flatnonzero(differs[file.store])
            if rows.size:
                store = file.store[rows[0]]
                lines = file.line[file.store == store]
                yield file.import_id, int(differs.sum()), file.ids[int(store)], int(lines[0]), int(lines[-1])


def _group(keys: Sequence[NDArray[np.int32]]) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Return the sorted keys, which row each is of, and which of them is the first one of its key."""
    joined = np.concatenate([_NONE, *keys])
    order = np.argsort(joined, kind="stable")
    return joined[order], order, np.diff(joined[order], prepend=_LOWEST) != 0
