"""Compares a table of polls with the stored ones, without writing, for a dry run."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import psycopg

from services.ingest.parse.chunks import Prefix, open_table
from services.ingest.parse.doubtful_ids import describe_doubtful_ids
from services.ingest.parse.encodings import FileEncoding
from services.ingest.parse.header import Layout
from services.ingest.parse.last_polls import LastPolls
from services.ingest.parse.offers import offer_fixes
from services.ingest.parse.parsed import ParsedPolls
from services.ingest.parse.polls import PollParser
from services.ingest.parse.reasons import Reject
from services.ingest.parse.refusals import ChunkRefused, parse_above_refusals
from services.ingest.run.date_order import require_date_order
from services.ingest.run.load_options import LoadOptions
from services.ingest.run.progress import LoadProgress
from services.ingest.sources.source import Source
from services.ingest.write.attribution import count_repeats
from services.ingest.write.counts import NO_ROWS, RowCounts
from services.ingest.write.database_clock import DatabaseClock
from services.ingest.write.import_result import ImportResult
from services.ingest.write.ledger import FIRST_REJECTS
from services.ingest.write.load_chunks import TooManyRejects
from services.ingest.write.look_alikes import find_look_alikes
from services.ingest.write.note_table import read_reasons
from services.ingest.write.poll_table import find_bounds
from services.ingest.write.remarks import LISTED_NEW_STORES
from services.ingest.write.sealed_weeks import WeekSealed, refuse_sealed, want_weeks
from services.ingest.write.weeks import monday_us, number_weeks
from shared.clock import from_us
from shared.db.queries import queries
from shared.errors import BadInputFile
from shared.row_reasons import by_frequency

_SQL = queries("ingest")
_STORES_AT_ONCE = 4096
_UNKNOWN = 0  # no store has this key


def compare_polls(conn: psycopg.Connection, source: Source, options: LoadOptions) -> ImportResult:
    """Return what loading the source would give.

    A poll that the file repeats in different chunks counts as new each time; a load counts it once. What polls say besides
    a status is not compared.
    """
    began_s, limits = time.monotonic(), options.limits
    comparison = _Comparison(conn)
    try:
        with closing(source.read_blocks()) as blocks:
            layout, chunks = open_table(blocks, limits.chunk_bytes, prefix=Prefix())
            comparison.remarks = {"columns_not_read": list(layout.unread)} if layout.unread else {}
            encoding = FileEncoding(layout.encoding)
            parser = PollParser(
                layout,
                options.reading,
                encoding,
                allow_odd_ids=limits.allow_odd_ids,
                reasons=read_reasons(conn) if layout.optional else None,
            )
            clock = DatabaseClock(conn)
            date_format = options.reading.date_format
            require_date_order(source, date_format, limits.chunk_bytes, clock.latest_valid_us())
            for chunk in chunks:
                parsed = parse_above_refusals(
                    lambda one: parser.parse_chunk(one, clock.latest_valid_us()), chunk
                )
                comparison.add_chunk(parsed, layout, limits.reject_limit)
                done = LoadProgress(
                    source.name, chunk.end_byte, source.size_bytes, comparison.counts.rows_read
                )
                options.on_progress(done)
            comparison.remarks = _list_remarks(comparison, parser, layout, encoding)
        return comparison.make_result(source, None, time.monotonic() - began_s)
    except BadInputFile as refusal:
        return comparison.make_result(source, refusal, time.monotonic() - began_s)


def _list_remarks(
    comparison: "_Comparison", parser: PollParser, layout: Layout, encoding: FileEncoding
) -> dict[str, object]:
    """Return what the quality report of a load says about how the file was read. All rows are parsed."""
    store_ids = parser.list_stores()
    notes = [
        *parser.reading.describe(),
        *offer_fixes(comparison.rejects, layout),
        *describe_doubtful_ids(store_ids),
    ]
    found = {
        "encoding": encoding.name,
        "assumed_utc": comparison.counts.assumed_utc,
        "columns_not_read": list(layout.unread),
        "notes": notes,
    }
    said = {name: value for name, value in found.items() if value}
    return said | find_look_alikes(comparison.conn, store_ids)


@dataclass
class _Comparison:
    """The chunks of one file so far. `keys`: of its stores by their number in the file."""

    conn: psycopg.Connection
    counts: RowCounts = NO_ROWS
    keys: list[int] = field(default_factory=list)
    new_stores: list[str] = field(default_factory=list)
    unknown: int = 0
    first_us: int | None = None
    last_us: int | None = None
    rejects: list[Reject] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    remarks: Mapping[str, object] = field(default_factory=dict)

    def add_chunk(self, parsed: ParsedPolls, layout: Layout, reject_limit: float) -> None:
        """Compare one chunk. Raise `TooManyRejects`."""
        if len(parsed.rejects) > reject_limit * parsed.rows_read:
            raise TooManyRejects(parsed, reject_limit, offer_fixes(parsed.rejects, layout))
        self._learn_keys(parsed)
        self._count_rejects(parsed.rejects)
        self.counts += count_repeats(parsed.deduped) + RowCounts(
            cut_fractions=parsed.cut_fractions, assumed_utc=parsed.assumed_utc
        )
        if len(parsed.deduped.polls):
            self._compare(parsed.deduped.polls)

    def make_result(self, source: Source, refusal: BadInputFile | None, seconds: float) -> ImportResult:
        """Return the counts as the result of a load."""
        stopped = isinstance(refusal, ChunkRefused) and self.counts.rows_read > 0
        if isinstance(refusal, ChunkRefused):
            self._count_rejects(refusal.rejects)
        counts = self.counts
        return ImportResult(
            source.name,
            "succeeded" if refusal is None else "stopped" if stopped else "failed",
            kind="polls",
            rows_read=counts.rows_read,
            accepted=counts.accepted,
            duplicate=counts.duplicate,
            corrected=counts.corrected,
            rejected=counts.rejected,
            cut_fractions=counts.cut_fractions,
            first_rejects=self.rejects,
            seconds=seconds,
            error=None if refusal is None else str(refusal),
            reason=None if refusal is None else refusal.reason,
            quality={"plan": self._make_plan(), "rejects": dict(by_frequency(self.reasons)), **self.remarks},
        )

    def _count_rejects(self, rejects: Sequence[Reject]) -> None:
        self.rejects += rejects[: FIRST_REJECTS - len(self.rejects)]
        self.reasons.update(reject.reason for reject in rejects)
        self.counts += RowCounts(rejected=len(rejects))

    def _make_plan(self) -> dict[str, object]:
        first, last = (
            None if at_us is None else str(from_us(at_us).date()) for at_us in (self.first_us, self.last_us)
        )
        return {
            "stores": len(self.keys),
            "new_stores": self.unknown,
            "new_stores_list": self.new_stores,
            "first_date": first,
            "last_date": last,
        }

    def _require_open(self, polls: LastPolls) -> None:
        """Raise `WeekSealed` if a week is sealed: the polls can be compared once it has been opened."""
        mondays = [from_us(monday_us(week)) for week in np.unique(number_weeks(polls.at_us)).tolist()]
        try:
            refuse_sealed(self.conn, mondays)
        except WeekSealed as sealed:
            want_weeks(self.conn, sealed.mondays)
            raise WeekSealed(f"{sealed}; repeat the dry run then", sealed.mondays) from None

    def _learn_keys(self, parsed: ParsedPolls) -> None:
        while (known := len(self.keys)) < parsed.store_count:
            ids = parsed.stores.get_ids(known, min(known + _STORES_AT_ONCE, parsed.store_count))
            found: dict[str, int] = dict(self.conn.execute(_SQL["existing_stores"], {"ids": ids}).fetchall())
            self.keys += [found.get(store_id, _UNKNOWN) for store_id in ids]
            new = [store_id for store_id in ids if store_id not in found]
            self.unknown += len(new)
            self.new_stores += new[: LISTED_NEW_STORES - len(self.new_stores)]

    def _compare(self, polls: LastPolls) -> None:
        self._require_open(polls)
        earliest, latest = find_bounds(polls.at_us)
        first_us, last_us = int(polls.at_us.min()), int(polls.at_us.max())
        self.first_us = min(first_us, first_us if self.first_us is None else self.first_us)
        self.last_us = max(last_us, last_us if self.last_us is None else self.last_us)
        keys = np.array(self.keys, np.int32)[polls.store]
        known = keys != _UNKNOWN
        picked = polls.pick(known)
        values = {
            "store_keys": keys[known].tolist(),
            "at_us": picked.at_us.tolist(),
            "first_active": picked.first_active.tolist(),
            "earliest": earliest,
            "latest": latest,
        }
        ((fresh, corrected),) = self.conn.execute(_SQL["compare_polls"], values)
        new = fresh + int((~known).sum())
        self.counts += RowCounts(new, len(polls) - new - corrected, corrected)
