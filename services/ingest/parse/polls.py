"""Validates the rows of a polls file and settles them, vectorised. Knows no database: stores have numbers of their own."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.ingest.parse.byte_words import low_bytes, word, words_at_every_byte
from services.ingest.parse.chunks import Chunk
from services.ingest.parse.header import Layout
from services.ingest.parse.instants import decode_instants, is_cut, parse_instant
from services.ingest.parse.reasons import Reject
from services.ingest.parse.rows import Rows, split_rows
from services.ingest.write.last_wins import Settled, settle
from services.ingest.write.seen_polls import SeenKeys
from services.ingest.write.store_numbers import StoreNumbers

MAX_STORE_ID_BYTES = 1024
_STATUS, _TIMESTAMP = 1, 2
_ACTIVE, _INACTIVE = b"active", b"inactive"
_LOWER_CASE = np.uint64(0x2020202020202020)
_SPACE = ord(" ")


@dataclass(frozen=True)
class ValidPolls:
    """The valid polls of one chunk in the order of the file, and its rejects."""

    ids: pl.Series
    at_us: NDArray[np.int64]
    active: NDArray[np.bool_]
    rejects: list[Reject]
    cut_fractions: int = 0  # valid polls whose instant was finer than a microsecond


@dataclass(frozen=True)
class Polls:
    """One chunk, whose bytes are not kept, with its polls settled.

    These name a store by its number in `stores`, of which there were `stores_met` then; `repeated` are those of them
    that an earlier chunk may have had.
    """

    chunk: Chunk
    stores: StoreNumbers
    stores_met: int
    settled: Settled
    repeated: NDArray[np.bool_]
    rejects: list[Reject]
    rows_read: int
    cut_fractions: int


class PollParser:
    """Parses the chunks of one import, in order: it remembers the stores and the polls it has met."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._stores = StoreNumbers()
        self._seen = SeenKeys()

    def parse(self, chunk: Chunk, latest_us: int) -> Polls:
        """Validate one chunk. A poll after `latest_us` (microseconds since 1970) is rejected as `future`."""
        valid = validate_polls(split_rows(chunk, self._layout), latest_us)
        settled = settle(self._stores.of(valid.ids), valid.at_us, valid.active)
        return Polls(
            replace(chunk, data=b""),
            self._stores,
            len(self._stores),
            settled,
            self._seen.add(settled.deliveries.store, settled.deliveries.at_us),
            valid.rejects,
            len(valid.ids) + len(valid.rejects),
            valid.cut_fractions,
        )


def validate_polls(rows: Rows, latest_us: int) -> ValidPolls:
    """Check rows already split. Of a row with several faults the first column's is reported."""
    faults: dict[int, str] = {}
    cut: list[int] = []
    at_us = _instants(rows, latest_us, faults, cut)
    active = _statuses(rows, faults)
    ids = checked_store_ids(rows, faults)
    cut_fractions = sum(row not in faults for row in cut)
    rejects = rows.rejects
    if faults:
        kept = np.ones(len(ids), np.bool_)
        kept[list(faults)] = False
        ids, at_us, active = ids.filter(pl.Series(kept)), at_us[kept], active[kept]
        rejects = sorted(
            [*rejects, *(rows.reject(row, reason) for row, reason in faults.items())],
            key=lambda reject: reject.line,
        )
    return ValidPolls(ids, at_us, active, rejects, cut_fractions)


def checked_store_ids(rows: Rows, faults: dict[int, str]) -> pl.Series:
    """The ids without spaces around them; adds the faults found."""
    text = np.frombuffer(rows.text, np.uint8)
    ids, starts, ends = rows.ids, rows.starts[0], rows.ends[0]
    if ((text[starts] == _SPACE) | (text[ends - 1] == _SPACE)).any():
        ids = ids.str.strip_chars(" ")
    lengths = ends - starts
    if lengths.size and (lengths.min() == 0 or lengths.max() > MAX_STORE_ID_BYTES or ids is not rows.ids):
        sizes = ids.str.len_bytes().to_numpy()
        _add(faults, np.flatnonzero((sizes == 0) | (sizes > MAX_STORE_ID_BYTES)), "store_id")
    return ids


def _statuses(rows: Rows, faults: dict[int, str]) -> NDArray[np.bool_]:
    starts, ends = rows.starts[_STATUS], rows.ends[_STATUS]
    lengths = ends - starts
    text = words_at_every_byte(rows.text)[starts] | _LOWER_CASE
    active = (lengths == len(_ACTIVE)) & ((text & low_bytes(len(_ACTIVE))) == word(_ACTIVE))
    inactive = (lengths == len(_INACTIVE)) & (text == word(_INACTIVE))
    for row in np.flatnonzero(~(active | inactive)).tolist():
        status = rows.field(_STATUS, row).strip(" ").lower()
        if status not in {"active", "inactive"}:
            faults[row] = "status"
        active[row] = status == "active"
    return np.asarray(active, np.bool_)


def _instants(rows: Rows, latest_us: int, faults: dict[int, str], cut: list[int]) -> NDArray[np.int64]:
    at_us, decoded = decode_instants(rows.text, rows.starts[_TIMESTAMP], rows.ends[_TIMESTAMP])
    for row in np.flatnonzero(~decoded).tolist():
        text = rows.field(_TIMESTAMP, row)
        parsed = parse_instant(text)
        if isinstance(parsed, int):
            at_us[row] = parsed
            if is_cut(text):
                cut.append(row)
        else:
            at_us[row] = latest_us
            faults[row] = parsed
    _add(faults, np.flatnonzero(at_us > latest_us), "future")
    return at_us


def _add(faults: dict[int, str], rows: Iterable[np.int64], reason: str) -> None:
    faults.update((int(row), reason) for row in rows)
