"""Read the input of a batch as it was at an earlier ledger number, in one snapshot. Must not know the accounting."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import psycopg

from services.worker.load import read_stores
from services.worker.packed_polls import PackedPolls
from services.worker.sealed_polls import add_needed
from shared.db.history import FIND_GONE, GoneData
from shared.db.queries import queries
from shared.inputs.adjustments import read_adjustments
from shared.inputs.batch_input import BatchInput
from shared.inputs.data_range import DataRange
from shared.inputs.notes import read_notes
from shared.inputs.stores import Stores, find_places, parse_polls
from shared.labels import shown_labels
from shared.metrics.registry import BATCH_INPUTS
from shared.reports.batch import Batch
from shared.sealed.reader import SealedPolls
from shared.uptime.calendar import Hours
from shared.uptime.states import Polls

_SQL = queries("history")


def refuse_forgotten(conn: psycopg.Connection, seq: int, needed: DataRange) -> None:
    """Raise `DataForgotten` unless everything that a report over this range needs can be read at a ledger number."""
    ((oldest, weeks),) = conn.execute(FIND_GONE, {"seq": seq, **needed._asdict()})
    GoneData(oldest, weeks).refuse(seq)


def read_past_stores(conn: psycopg.Connection, batch: Batch, seq: int) -> Stores:
    """Read the stores of a batch with the time zones that they had. Raises as `read_stores` does."""
    stores = read_stores(conn, batch)
    asked = {"store_keys": stores.keys.tolist(), "seq": seq}
    zones: dict[int, str | None] = dict(conn.execute(_SQL["timezones"], asked).fetchall())
    return replace(stores, zones=[zones[key] for key in stores.keys.tolist()])


def read_past_hours(conn: psycopg.Connection, stores: Stores, seq: int) -> Hours:
    """Read the weekly hours that stores had."""
    rows = conn.execute(_SQL["hours"], {"store_keys": stores.keys.tolist(), "seq": seq}).fetchall()
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Hours(find_places(stores, table[:, 0]), table[:, 1], table[:, 2], table[:, 3])


def read_past_labels(conn: psycopg.Connection, batch: Batch, seq: int) -> Sequence[Mapping[str, str]]:
    """Read the labels that the stores of a batch had, in the order of the stores."""
    keys = read_stores(conn, batch).keys.tolist()
    labels: dict[int, object] = dict(
        conn.execute(_SQL["labels"], {"store_keys": keys, "seq": seq}).fetchall()
    )
    return [shown_labels(labels[key]) for key in keys]


def read_past_polls(
    conn: psycopg.Connection, stores: Stores, needed: DataRange, seq: int, sealed: SealedPolls
) -> Polls:
    """Read the polls of stores that a report over this range needed.

    What a sealed week held at an earlier number is in its file, except for polls that were replaced since.
    """
    given = {"store_keys": np.sort(stores.keys).tolist(), "seq": seq, **needed._asdict()}
    # Planned each time: a generic plan would visit every week of the table.
    found = conn.execute(_SQL["batch_polls"], given, binary=True, prepare=False).fetchone()
    polls = parse_polls(stores, found[0] if found and found[0] else b"")
    rows = sealed.read(conn, stores, needed.from_time, needed.to_time)
    return add_needed(polls, stores, rows and rows.pick(rows.seq <= seq), needed)


def read_past_input(
    conn: psycopg.Connection, batch: Batch, seq: int, needed: DataRange, sealed: SealedPolls
) -> BatchInput:
    """Return the input of a batch as it was at a ledger number."""
    refuse_forgotten(conn, seq, needed)
    BATCH_INPUTS.labels("database").inc()
    stores = read_past_stores(conn, batch, seq)
    hours = read_past_hours(conn, stores, seq)
    found = read_past_polls(conn, stores, needed, seq, sealed)
    polls = PackedPolls.in_order(found, stores, needed).unpacked()
    notes = read_notes(conn, stores, (needed.from_time, needed.to_time), seq, batch.exclude_reasons)
    adjustments = read_adjustments(conn, stores, seq).in_range(hours, needed, notes)
    return BatchInput(stores.ids, stores.zones, hours, polls, adjustments)
