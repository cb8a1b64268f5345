"""Writes distinct polls: inserts new ones, or merges staged ones with those that are stored.

Files and live polls both write through this module. A live call is a small file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.last_polls import Bools, LastPolls
from services.ingest.write.changes import PollChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.weeks import number_weeks
from shared.clock import from_us
from shared.db.binary_rows import copy_rows, encode_instants, encode_rows, send_rows
from shared.db.queries import queries

_SQL = queries("ingest")
# A COPY keeps this many rows before it writes them, each week's apart. Week by week, it finds the partition of most rows at
# once. But its bookkeeping of a week's rows grows with the square of their number, so no week may fill this number alone:
# sorted as a whole, polls of 7 weeks take the server 1.5 times as long as in such blocks, and of 52 weeks 3 times.
_KEPT_ROWS = 1000
_AFTER_ALL = np.iinfo(np.int16).max
_SENT_ROWS = 14 * _KEPT_ROWS  # the server inserts them while the next ones are encoded


@dataclass(frozen=True)
class MergedPolls:
    """The change that a merge made, and the numbers of the staged polls that were new or contradicted a stored poll.

    Only polls that were staged with numbers are listed.
    """

    change: PollChange
    new: NDArray[np.int32]
    contradicting: NDArray[np.int32]


class PollTable:
    """The table of polls, written through one connection. The caller holds the writer lock."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        conn.execute(_SQL["create_incoming"])

    def insert_polls(self, polls: LastPolls, seq: int) -> None:
        """Insert polls that are not stored yet, in the change with this ledger number."""
        columns = ["store_key", "observed_at", "is_active", "since_seq"]
        send_rows(self._conn, "observation", columns, _encode_polls(polls, _short_seq(seq)))

    def keep_pending(self, import_id: UUID, polls: LastPolls) -> None:
        """Keep polls of an import until their weeks are indexed."""
        names = "import_id store_key observed_at first_active is_active"
        ids = np.full(len(polls), import_id.bytes, "S16")
        columns = (ids, polls.store, encode_instants(polls.at_us), polls.first_active, polls.active)
        copy_rows(self._conn, "import_pending", names, *columns)

    def stage_polls(self, polls: LastPolls, *, numbered: bool = False) -> None:
        """Copy polls into the staging table `incoming`. `numbered`: with their index, for `MergedPolls`."""
        names = "store_key observed_at first_active is_active"
        columns = (polls.store, encode_instants(polls.at_us), polls.first_active, polls.active)
        if numbered:
            places = np.arange(len(polls), dtype=np.int32)
            copy_rows(self._conn, "incoming", f"{names} place", *columns, places)
        else:
            copy_rows(self._conn, "incoming", names, *columns)

    def merge_staged(self, import_id: UUID, earliest: datetime, latest: datetime, seq: int) -> MergedPolls:
        """Compare the staged polls with the stored ones: insert the new ones, and correct those that differ.

        The polls lie between `earliest` and `latest`, in weeks that are indexed. `seq`: the number of this change.
        """
        values = {"earliest": earliest, "latest": latest, "seq": seq}
        # Planned each time: a generic plan would visit every week of the table.
        cursor = self._conn.cursor(binary=True).execute(_SQL["merge_incoming"], values, prepare=False)
        ((accepted, duplicate, corrected, *rest, wrong_keys, wrong_at, new, contradicting),) = cursor
        self._correct_polls(wrong_keys, wrong_at, seq)
        return MergedPolls(
            PollChange(import_id, RowCounts(accepted, duplicate, corrected), *rest),
            np.frombuffer(new or b"", ">i4"),
            np.frombuffer(contradicting or b"", ">i4"),
        )

    def clear_staged(self) -> None:
        """Empty the staging table before the next merge of the same transaction. COMMIT empties it too."""
        self._conn.execute(_SQL["empty_incoming"])

    def _correct_polls(self, store_keys: Sequence[int], instants: Sequence[datetime], seq: int) -> None:
        """Give these stored polls the other status, and keep what they were."""
        if store_keys:
            self._conn.execute(_SQL["look_up_polls_by_index"])
            values = {"store_keys": store_keys, "instants": instants, "seq": seq}
            self._conn.execute(_SQL["turn_polls"], values, prepare=False)


def _encode_polls(polls: LastPolls, since_seq: int) -> Iterator[memoryview]:
    """Yield the rows of the polls in the order that suits the server."""
    for start in range(0, len(polls), _SENT_ROWS):
        part = order_by_week(polls.pick(slice(start, start + _SENT_ROWS)))
        since = np.full(len(part), since_seq, np.int32)
        yield encode_rows(part.store, encode_instants(part.at_us), part.active, since)


def order_by_week(polls: LastPolls, kept_rows: int = _KEPT_ROWS) -> LastPolls:
    """Return the polls so that of each `kept_rows` those of a week follow each other, in the order given."""
    # 16 bits are sorted in linear time.
    week = number_weeks(polls.at_us).astype(np.int16)
    if not len(week) or not np.ptp(week):
        return polls
    blocks = np.pad(week, (0, -len(week) % kept_rows), constant_values=_AFTER_ALL).reshape(-1, kept_rows)
    order = np.argsort(blocks, axis=1, kind="stable") + np.arange(0, blocks.size, kept_rows)[:, None]
    return polls.pick(order.ravel()[: len(week)])


def _short_seq(seq: int) -> int:
    """Return the lowest 32 bits of a ledger number, as the function of the same name in SQL does."""
    return (seq + 2**31) % 2**32 - 2**31


def find_bounds(at_us: NDArray[np.int64]) -> tuple[datetime, datetime]:
    """Return the first and the last of at least one instant."""
    return from_us(int(at_us.min())), from_us(int(at_us.max()))


def make_mask(indexes: NDArray[np.int32], length: int) -> Bools:
    """Return a mask that is True at the indexes."""
    mask = np.zeros(length, np.bool_)
    mask[indexes] = True
    return mask
