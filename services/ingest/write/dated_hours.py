"""Replaces the hours that apply from a date, of the stores and dates that a delivery names."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final
from uuid import UUID

import numpy as np
import psycopg

from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.history_table import DATED_HOURS
from services.ingest.write.hours_values import DATE_BITS, WEEKLY_BITS
from services.ingest.write.packed_rows import StagedFile
from services.ingest.write.wanted_hours import WantedHours, want_dated, week_of
from services.ingest.write.weekly_hours import HoursOutcome
from shared.db.arrays import key_array
from shared.db.binary_rows import decode_records
from shared.db.queries import queries

_SQL = queries("adjust")
_OUTCOME: Final = np.dtype(">i2")
_OUTCOMES: Final = 3  # accepted, duplicate, corrected


def replace_dated_hours(
    conn: psycopg.Connection, files: Sequence[StagedFile], change: AdjustmentChange, outcome: HoursOutcome
) -> Iterator[tuple[UUID, RowCounts]]:
    """Replace the weeks of these rows, which have dates. Yield how the rows of each import count: as their week does."""
    wanted = want_dated(files)
    DATED_HOURS.create_wanted(conn)
    for start, end in wanted.steps():
        row = wanted.row[start:end]
        columns = {**wanted.columns(row), "dates": wanted.date[row >> WEEKLY_BITS].astype(np.int64)}
        values = {name: key_array(column) for name, column in columns.items()}
        conn.execute(_SQL["want_dated_hours"], {**values, "seq": change.seq})
    if change.merge(DATED_HOURS):
        _find_lost(conn, wanted, change.seq, outcome)
    ((packed,),) = conn.execute(_SQL["outcomes_of_dated_hours"], binary=True)
    found = decode_records(packed, _OUTCOME).astype(np.int64)
    for file in files:
        of_rows = found[np.searchsorted(wanted.week, week_of(file))]
        yield file.import_id, RowCounts(*np.bincount(of_rows, minlength=_OUTCOMES).tolist())


def _find_lost(conn: psycopg.Connection, wanted: WantedHours, seq: int, outcome: HoursOutcome) -> None:
    """Add the rows that are gone, and the dates with far shorter hours than what held before."""
    lost = conn.execute(_SQL["lost_dated_hours"], {"seq": seq}).fetchall()
    if not lost:
        return
    key, day, gone, before_s, after_s = np.array(lost, np.int64).T
    week = np.searchsorted(wanted.week, key << DATE_BITS | day)
    file = wanted.file[np.searchsorted(wanted.row, week << WEEKLY_BITS)]
    outcome.removed.update(dict(enumerate(np.bincount(file, gone).astype(np.int64).tolist())))
    for place in np.flatnonzero(2 * after_s < before_s).tolist():
        start = date.fromordinal(int(day[place]))
        outcome.shrunk.append((int(key[place]), int(before_s[place]), int(after_s[place]), start))
