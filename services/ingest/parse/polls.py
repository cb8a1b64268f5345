"""Validates and deduplicates the rows of a polls table, one chunk at a time, vectorised."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.ingest.parse.byte_words import low_bytes, word_of, words_at_every_byte
from services.ingest.parse.chunk import Chunk
from services.ingest.parse.encodings import FileEncoding
from services.ingest.parse.header import Layout
from services.ingest.parse.joined_files import mark_headers
from services.ingest.parse.last_polls import deduplicate
from services.ingest.parse.order_proof import refuse_other_order
from services.ingest.parse.parsed import GivenNotes, ParsedPolls
from services.ingest.parse.poll_instants import parse_instants
from services.ingest.parse.poll_notes import END_CODE, NoteColumns, NoteReading, find_zoneless, parse_notes
from services.ingest.parse.reading import PLAIN, Reading
from services.ingest.parse.reasons import Reject
from services.ingest.parse.rows import Rows, split_rows
from services.ingest.parse.seen_polls import SeenPolls
from services.ingest.parse.store_ids import check_store_ids
from services.ingest.parse.store_numbers import StoreNumbers
from services.ingest.parse.summary_rows import mark_summaries
from shared.status_words import STATUSES, fold_status

_STORE_ID, _STATUS = range(2)
_DATE_FAULTS = frozenset({"date_format", "timestamp_range", "future"})
_ACTIVE, _INACTIVE = b"active", b"inactive"
_LOWER_CASE = np.uint64(0x2020202020202020)
_WORD_BYTES = 8
_MASKS = np.array([int(low_bytes(length)) for length in range(_WORD_BYTES + 1)], np.uint64)


@dataclass(frozen=True)
class ValidPolls:
    """The valid polls of one chunk in the order of the file, and its rejects. Each has the number of its store in `stores`.

    `cut_fractions` counts valid polls whose instant was finer than a microsecond, `assumed_utc` those without a zone.
    `notes` has the code of each poll's note, less than 2 if it has none; None if the table has no column for notes.
    """

    stores: StoreNumbers
    store: NDArray[np.int32]
    at_us: NDArray[np.int64]
    active: NDArray[np.bool_]
    rejects: list[Reject]
    cut_fractions: int = 0
    assumed_utc: int = 0
    notes: NDArray[np.int16] | None = None

    @property
    def ids(self) -> pl.Series:
        """The store ids."""
        return self.stores.name_stores(self.store)


@dataclass(frozen=True)
class PollMemory:
    """The stores and polls that were parsed."""

    stores: StoreNumbers = field(default_factory=StoreNumbers)
    seen: SeenPolls = field(default_factory=SeenPolls)


class PollParser:
    """Parses the chunks of one import in order. It remembers the stores and polls of earlier chunks, and of `earlier` files."""

    def __init__(
        self,
        layout: Layout,
        reading: Reading = PLAIN,
        encoding: FileEncoding | None = None,
        *,
        allow_odd_ids: bool = False,
        reasons: Mapping[str, int] | None = None,
        earlier: PollMemory | None = None,
    ) -> None:
        self._layout = layout
        self._reasons = reasons or {}
        self.reading = replace(reading, assume_utc=reading.assume_utc or layout.is_utc)
        self._encoding = encoding or FileEncoding(layout.encoding)
        self._allow_odd_ids = allow_odd_ids
        memory = earlier or PollMemory()
        self._stores, self._seen = memory.stores, memory.seen

    def list_stores(self) -> Sequence[str]:
        """Return the ids of all stores with a valid poll so far."""
        return self._stores.get_ids(0, len(self._stores))

    def parse_chunk(self, chunk: Chunk, latest_us: int) -> ParsedPolls:
        """Validate one chunk. Reject polls after `latest_us` (microseconds since 1970) as `future`."""
        rows = split_rows(chunk, self._layout, self._encoding)
        valid = validate_polls(
            rows,
            latest_us,
            self.reading,
            stores=self._stores,
            allow_odd_ids=self._allow_odd_ids,
            reasons=self._reasons,
        )
        deduped = deduplicate(valid.store, valid.at_us, valid.active)
        forgets = self._seen.make_room(len(deduped.polls))
        return ParsedPolls(
            replace(chunk, data=b"", above=b""),
            self._stores,
            len(self._stores),
            deduped,
            self._seen.add_polls(deduped.polls.store, deduped.polls.at_us),
            valid.rejects,
            len(valid.store) + len(valid.rejects),
            valid.cut_fractions,
            valid.assumed_utc,
            self._encoding.name,
            _collect_notes(valid),
            forgets,
        )


def _collect_notes(valid: ValidPolls) -> GivenNotes | None:
    if valid.notes is None:
        return None
    given = np.flatnonzero(valid.notes > 1)
    return GivenNotes(valid.store[given], valid.at_us[given], valid.notes[given]) if given.size else None


def validate_polls(
    rows: Rows,
    latest_us: int,
    reading: Reading = PLAIN,
    *,
    stores: StoreNumbers | None = None,
    allow_odd_ids: bool = False,
    reasons: Mapping[str, int] | None = None,
) -> ValidPolls:
    """Validate rows that are already split. If a row has several faults, report the first column's.

    `stores` are those of earlier chunks, and get the new ones. `reasons` has the numbers of the words for reasons. An event
    with an end is followed by a second event, which has the other status. Raise `ChunkRefused` (`date_order`).
    """
    faults: dict[int, str] = {}
    stores = StoreNumbers() if stores is None else stores
    instants = parse_instants(rows, latest_us, faults, reading)
    at_us = instants.at_us
    active = _parse_statuses(rows, faults, reading)
    noted = NoteReading(reasons or {}, latest_us, reading.assume_utc, reading.date_format)
    notes = parse_notes(rows, at_us, faults, noted) if rows.layout.optional else None
    store = stores.find_fields(rows.text, rows.starts[_STORE_ID], rows.ends[_STORE_ID])
    fresh = np.flatnonzero(store < 0)
    ids = check_store_ids(rows, faults, allow_odd=allow_odd_ids, some=fresh) if fresh.size else None
    counted = (instants.cut, {*instants.zoneless, *find_zoneless(rows, noted)})
    cut_fractions, assumed_utc = (sum(row not in faults for row in each) for each in counted)
    mark_headers(rows, faults)
    mark_summaries(rows, faults, allow_odd_ids=allow_odd_ids)
    kept = np.ones(len(store), np.bool_)
    kept[list(faults)] = False
    if ids is not None:
        store[fresh[kept[fresh]]] = stores.number_ids(ids.filter(kept[fresh]), as_sorted=True)
    if faults:
        store, at_us, active = store[kept], at_us[kept], active[kept]
        notes = notes and notes.pick(kept)
    rejects = rows.collect_rejects(faults)
    if reading.date_format and not _DATE_FAULTS.isdisjoint(faults.values()):
        refuse_other_order(rows, latest_us, reading.date_format)
    valid = ValidPolls(stores, store, at_us, active, rejects, cut_fractions, assumed_utc)
    return valid if notes is None else _add_ends(valid, notes)


def _add_ends(valid: ValidPolls, notes: NoteColumns) -> ValidPolls:
    """Add the notes, and after each event with an end the event that ends it."""
    code, ended = notes.codes(valid.active), notes.ended
    if not ended.size:
        return replace(valid, notes=code)
    taken = np.insert(np.arange(len(code)), ended + 1, ended)
    at_us, active, code = valid.at_us[taken], valid.active[taken], code[taken]
    ends = ended + 1 + np.arange(ended.size)
    at_us[ends], active[ends] = notes.until_us[ended], ~active[ends]
    code[ends] = END_CODE + active[ends]
    return replace(valid, store=valid.store[taken], at_us=at_us, active=active, notes=code)


def _parse_statuses(rows: Rows, faults: dict[int, str], reading: Reading) -> NDArray[np.bool_]:
    starts, ends = rows.starts[_STATUS], rows.ends[_STATUS]
    lengths = ends - starts
    text = words_at_every_byte(rows.text)[starts] | _LOWER_CASE
    active = (lengths == len(_ACTIVE)) & ((text & low_bytes(len(_ACTIVE))) == word_of(_ACTIVE))
    inactive = (lengths == len(_INACTIVE)) & (text == word_of(_INACTIVE))
    others = np.flatnonzero(~(active | inactive))
    if others.size:
        meanings = {**reading.status_words, **STATUSES}
        for alike in _group_alike(rows, others):
            meaning = meanings.get(fold_status(rows.decode_field(_STATUS, alike[0])))
            if meaning is None:
                faults.update(dict.fromkeys(alike, "status"))
            active[alike] = meaning is True
    return np.asarray(active, np.bool_)


def _group_alike(rows: Rows, some: NDArray[np.int64]) -> Iterator[list[int]]:
    """Yield some of the rows in groups with the same status. One longer than eight bytes is a group of its own."""
    starts, lengths = rows.starts[_STATUS][some], (rows.ends - rows.starts)[_STATUS][some]
    is_short = lengths <= _WORD_BYTES
    yield from ([row] for row in some[~is_short].tolist())
    words = words_at_every_byte(rows.text)[starts[is_short]] & _MASKS[lengths[is_short]]
    order = np.argsort(words, kind="stable")
    borders = np.flatnonzero(np.diff(words[order])) + 1
    yield from (group.tolist() for group in np.split(some[is_short][order], borders) if group.size)
