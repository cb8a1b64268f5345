"""Validates and deduplicates the rows of a polls table, one chunk at a time, vectorised."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.ingest.parse.byte_words import low_bytes, word_of, words_at_every_byte
from services.ingest.parse.chunk import Chunk
from services.ingest.parse.encodings import FileEncoding
from services.ingest.parse.header import Layout
from services.ingest.parse.instants import decode_instants, is_cut, parse_instant
from services.ingest.parse.last_polls import deduplicate
from services.ingest.parse.parsed import ParsedPolls
from services.ingest.parse.reasons import Reject
from services.ingest.parse.rows import Rows, split_rows
from services.ingest.parse.seen_polls import SeenPolls
from services.ingest.parse.store_ids import check_store_ids
from services.ingest.parse.store_numbers import StoreNumbers

_STATUS, _TIMESTAMP = 1, 2
_ACTIVE, _INACTIVE = b"active", b"inactive"
_LOWER_CASE = np.uint64(0x2020202020202020)


@dataclass(frozen=True)
class ValidPolls:
    """The valid polls of one chunk in the order of the file, and its rejects.

    `cut_fractions` counts valid polls whose instant was finer than a microsecond.
    """

    ids: pl.Series
    at_us: NDArray[np.int64]
    active: NDArray[np.bool_]
    rejects: list[Reject]
    cut_fractions: int = 0


class PollParser:
    """Parses the chunks of one import in order. It remembers the stores and polls of earlier chunks."""

    def __init__(
        self, layout: Layout, encoding: FileEncoding | None = None, *, allow_odd_ids: bool = False
    ) -> None:
        self._layout = layout
        self._encoding = encoding or FileEncoding(layout.encoding)
        self._allow_odd_ids = allow_odd_ids
        self._stores = StoreNumbers()
        self._seen = SeenPolls()

    def list_stores(self) -> Sequence[str]:
        """Return the ids of all stores with a valid poll so far."""
        return self._stores.get_ids(0, len(self._stores))

    def parse_chunk(self, chunk: Chunk, latest_us: int) -> ParsedPolls:
        """Validate one chunk. Reject polls after `latest_us` (microseconds since 1970) as `future`."""
        rows = split_rows(chunk, self._layout, self._encoding)
        valid = validate_polls(rows, latest_us, allow_odd_ids=self._allow_odd_ids)
        deduped = deduplicate(self._stores.number_ids(valid.ids), valid.at_us, valid.active)
        return ParsedPolls(
            replace(chunk, data=b""),
            self._stores,
            len(self._stores),
            deduped,
            self._seen.add_polls(deduped.polls.store, deduped.polls.at_us),
            valid.rejects,
            len(valid.ids) + len(valid.rejects),
            valid.cut_fractions,
            self._encoding.name,
        )


def validate_polls(rows: Rows, latest_us: int, *, allow_odd_ids: bool = False) -> ValidPolls:
    """Validate rows that are already split. If a row has several faults, report the first column's."""
    faults: dict[int, str] = {}
    cut: list[int] = []
    at_us = _parse_instants(rows, latest_us, faults, cut)
    active = _parse_statuses(rows, faults)
    ids = check_store_ids(rows, faults, allow_odd=allow_odd_ids)
    cut_fractions = sum(row not in faults for row in cut)
    if faults:
        kept = np.ones(len(ids), np.bool_)
        kept[list(faults)] = False
        ids, at_us, active = ids.filter(pl.Series(kept)), at_us[kept], active[kept]
    return ValidPolls(ids, at_us, active, rows.collect_rejects(faults), cut_fractions)


def _parse_statuses(rows: Rows, faults: dict[int, str]) -> NDArray[np.bool_]:
    starts, ends = rows.starts[_STATUS], rows.ends[_STATUS]
    lengths = ends - starts
    text = words_at_every_byte(rows.text)[starts] | _LOWER_CASE
    active = (lengths == len(_ACTIVE)) & ((text & low_bytes(len(_ACTIVE))) == word_of(_ACTIVE))
    inactive = (lengths == len(_INACTIVE)) & (text == word_of(_INACTIVE))
    for row in np.flatnonzero(~(active | inactive)).tolist():
        status = rows.decode_field(_STATUS, row).strip(" ").lower()
        if status not in {"active", "inactive"}:
            faults[row] = "status"
        active[row] = status == "active"
    return np.asarray(active, np.bool_)


def _parse_instants(rows: Rows, latest_us: int, faults: dict[int, str], cut: list[int]) -> NDArray[np.int64]:
    """Return the instants; add invalid rows to `faults`, and those finer than a microsecond to `cut`."""
    at_us, decoded = decode_instants(rows.text, rows.starts[_TIMESTAMP], rows.ends[_TIMESTAMP])
    for row in np.flatnonzero(~decoded).tolist():
        text = rows.decode_field(_TIMESTAMP, row)
        parsed = parse_instant(text)
        if isinstance(parsed, int):
            at_us[row] = parsed
            if is_cut(text):
                cut.append(row)
        else:
            at_us[row] = latest_us
            faults[row] = parsed
    faults.update((row, "future") for row in np.flatnonzero(at_us > latest_us).tolist())
    return at_us
