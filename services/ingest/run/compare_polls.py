"""Compares tables of polls with the stored ones and with each other, without writing, for a dry run."""

import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.chunks import open_table
from services.ingest.parse.doubtful_ids import describe_doubtful_ids
from services.ingest.parse.encodings import FileEncoding
from services.ingest.parse.header import Layout
from services.ingest.parse.last_polls import Bools, LastPolls
from services.ingest.parse.offers import offer_fixes
from services.ingest.parse.parsed import ParsedPolls
from services.ingest.parse.polls import PollMemory, PollParser
from services.ingest.parse.refusals import parse_above_refusals
from services.ingest.run.compared_chunks import ABSENT, ComparedChunks
from services.ingest.run.compared_file import ComparedFile
from services.ingest.run.date_order import require_date_order
from services.ingest.run.load_options import LoadOptions
from services.ingest.run.progress import LoadProgress
from services.ingest.sources.source import Source, hash_source
from services.ingest.write.counts import NO_ROWS, RowCounts
from services.ingest.write.database_clock import DatabaseClock
from services.ingest.write.import_result import ImportResult
from services.ingest.write.load_chunks import TooManyRejects
from services.ingest.write.look_alikes import find_look_alikes
from services.ingest.write.note_table import read_reasons
from services.ingest.write.poll_table import find_bounds
from services.ingest.write.sealed_weeks import WeekSealed, refuse_sealed, want_weeks
from services.ingest.write.weeks import monday_us, number_weeks
from shared.clock import from_us
from shared.db.queries import queries
from shared.errors import BadInputFile

_SQL = queries("ingest")
_STORES_AT_ONCE = 4096
_UNKNOWN = 0  # no store has this key


class PollComparison:
    """The files of polls of one dry run, in load order. What polls say besides a status is not compared."""

    def __init__(self, conn: psycopg.Connection, options: LoadOptions) -> None:
        self._conn = conn
        self._options = options
        self._memory = PollMemory()
        self._chunks = ComparedChunks(conn)
        self._files: list[ComparedFile] = []
        # Of the stores by their number in all files.
        self._keys: NDArray[np.int32] = np.zeros(0, np.int32)

    def compare(self, source: Source) -> None:
        """Compare one file."""
        began_s = time.monotonic()
        file = ComparedFile(source)
        self._files.append(file)
        try:
            with closing(source.read_blocks()) as blocks:
                layout, chunks = open_table(blocks, self._options.limits.chunk_bytes, prefix=file.prefix)
                file.remarks = {"columns_not_read": list(layout.unread)} if layout.unread else {}
                self._compare_chunks(file, layout, chunks)
        except BadInputFile as refusal:
            file.refuse(refusal)
        file.seconds = time.monotonic() - began_s

    def has_corrected(self, first_file: int = 0) -> bool:
        """Return whether a file from this one on changes the status of a poll."""
        return any(one.corrected > 0 for one in self.list_results()[first_file:])

    def find_copy(self, source: Source) -> Source | None:
        """Return a file with the same bytes as the source if a load would have loaded it, and nothing contradicts it since."""
        alike = [
            (place, one)
            for place, one in enumerate(self._files)
            if one.refusal is None and one.prefix.size_bytes == source.size_bytes
        ]
        if not alike:
            return None
        sha256 = hash_source(source)
        for place, one in reversed(alike):
            if one.prefix.digest.digest() == sha256 and not self.has_corrected(place + 1):
                return one.source
        return None

    def list_results(self) -> list[ImportResult]:
        """Return what a load of each compared file would give."""
        changes = self._chunks.recount()
        return [file.make_result(changes.get(place, NO_ROWS)) for place, file in enumerate(self._files)]

    def _compare_chunks(self, file: ComparedFile, layout: Layout, chunks: Iterator[Chunk]) -> None:
        limits, encoding = self._options.limits, FileEncoding(layout.encoding)
        parser = PollParser(
            layout,
            self._options.reading,
            encoding,
            allow_odd_ids=limits.allow_odd_ids,
            reasons=read_reasons(self._conn) if layout.optional else None,
            earlier=self._memory,
        )
        clock = DatabaseClock(self._conn)
        date_format = self._options.reading.date_format
        require_date_order(file.source, date_format, limits.chunk_bytes, clock.latest_valid_us())
        for chunk in chunks:
            parsed = parse_above_refusals(lambda one: parser.parse_chunk(one, clock.latest_valid_us()), chunk)
            if len(parsed.rejects) > limits.reject_limit * parsed.rows_read:
                raise TooManyRejects(parsed, limits.reject_limit, offer_fixes(parsed.rejects, layout))
            self._learn_keys(parsed)
            file.add_chunk(parsed)
            if len(parsed.deduped.polls):
                file.counts += self._compare_polls(parsed.deduped.polls, parsed.maybe_repeated)
            done = LoadProgress(
                file.source.name, chunk.end_byte, file.source.size_bytes, file.counts.rows_read
            )
            self._options.on_progress(done)
        file.remarks = self._list_remarks(file, parser, layout, encoding)

    def _learn_keys(self, parsed: ParsedPolls) -> None:
        found = [self._keys]
        for known in range(len(self._keys), parsed.store_count, _STORES_AT_ONCE):
            ids = parsed.stores.get_ids(known, min(known + _STORES_AT_ONCE, parsed.store_count))
            keys: dict[str, int] = dict(self._conn.execute(_SQL["existing_stores"], {"ids": ids}).fetchall())
            found.append(np.array([keys.get(store_id, _UNKNOWN) for store_id in ids], np.int32))
        self._keys = np.concatenate(found)

    def _compare_polls(self, polls: LastPolls, maybe_repeated: Bools) -> RowCounts:
        self._require_open(polls)
        earliest, latest = find_bounds(polls.at_us)
        keys = self._keys[polls.store]
        known = keys != _UNKNOWN
        values = {
            "store_keys": keys[known].tolist(),
            "at_us": polls.at_us[known].tolist(),
            "earliest": earliest,
            "latest": latest,
        }
        ((found,),) = self._conn.execute(_SQL["compare_polls"], values, binary=True)
        stored = np.full(len(polls), ABSENT, np.uint8)
        stored[known] = np.frombuffer(found or b"", np.uint8)
        return self._chunks.add_chunk(len(self._files) - 1, polls, stored, maybe_repeated)

    def _require_open(self, polls: LastPolls) -> None:
        """Raise `WeekSealed` if a week is sealed: the polls can be compared once it has been opened."""
        mondays = [from_us(monday_us(week)) for week in np.unique(number_weeks(polls.at_us)).tolist()]
        try:
            refuse_sealed(self._conn, mondays)
        except WeekSealed as sealed:
            want_weeks(self._conn, sealed.mondays)
            raise WeekSealed(f"{sealed}; repeat the dry run then", sealed.mondays) from None

    def _list_remarks(
        self, file: ComparedFile, parser: PollParser, layout: Layout, encoding: FileEncoding
    ) -> dict[str, object]:
        """Return what the quality report of a load says about how the file was read. All rows are parsed."""
        stores = file.list_stores()
        file.plan_stores(self._memory.stores, stores[self._keys[stores] == _UNKNOWN])
        own = self._memory.stores.name_stores(stores)
        notes = [
            *parser.reading.describe(),
            *offer_fixes(file.rejects, layout),
            *describe_doubtful_ids(own),
        ]
        found = {
            "encoding": encoding.name,
            "assumed_utc": file.counts.assumed_utc,
            "columns_not_read": list(layout.unread),
            "notes": notes,
        }
        said = {name: value for name, value in found.items() if value}
        return said | find_look_alikes(self._conn, own)
