"""Loads the chunks of one source: parsed in a thread, written in order, each once whatever the database does."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import psycopg

from services.ingest.parse.chunks import Chunk
from services.ingest.parse.header import Layout
from services.ingest.parse.local_hours import LocalHoursWriter, parse_local_hours
from services.ingest.parse.polls import PollParser
from services.ingest.parse.reasons import ROW_REASONS, Reject
from services.ingest.sources.prefetch import ahead
from services.ingest.write.ledger import FIRST_REJECTS, DatabaseClock, ImportLedger
from services.ingest.write.polls import PollWriter
from services.ingest.write.reconnect import Lifeline
from shared.errors import BadInputFile, ImportCanceled


class Parsed(Protocol):
    """One chunk after validation."""

    @property
    def chunk(self) -> Chunk: ...
    @property
    def rejects(self) -> Sequence[Reject]: ...
    @property
    def rows_read(self) -> int: ...


P = TypeVar("P", bound=Parsed)
P_contra = TypeVar("P_contra", bound=Parsed, contravariant=True)
OnChunk = Callable[[Chunk, int], None]  # the chunk that is committed, and its rows


class Writer(Protocol[P_contra]):
    """Writes through one connection; `write` commits a chunk, `finish` what was left for the end."""

    def write(self, parsed: P_contra, /) -> None: ...
    def finish(self, end_byte: int, /) -> None: ...


class TooManyRejects(BadInputFile):
    """A chunk with more bad rows than the limit allows; nothing of it was written."""

    def __init__(self, parsed: Parsed, limit: float) -> None:
        self.rejects = list(parsed.rejects[:FIRST_REJECTS])
        self.reasons = dict(Counter(reject.reason for reject in parsed.rejects).most_common())
        first = self.rejects[0]
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items())
        super().__init__(
            "reject_threshold",
            f"of the {parsed.rows_read:,} rows from line {parsed.chunk.first_line:,} on {len(parsed.rejects):,} are"
            f" rejected ({reasons}), more than the limit of {limit:.0%}. Line {first.line:,}:"
            f" {ROW_REASONS[first.reason]}. Correct the file, or raise UPTILL_REJECT_LIMIT (--reject-limit)",
        )


def load_table(
    lifeline: Lifeline,
    ledger: ImportLedger,
    layout: Layout,
    chunks: Iterator[Chunk],
    *,
    reject_limit: float,
    on_chunk: OnChunk,
) -> None:
    """Load what follows the header or the ledger's checkpoint. Raises `BadInputFile`; what was committed then stays.

    Opening hours and zones take effect at the end, so of them nothing stays.
    """
    if layout.kind == "polls":
        clock, parser = lifeline.apply(lambda: DatabaseClock(ledger.conn)), PollParser(layout)
        _load(
            lambda conn: PollWriter(conn, ledger),
            (parser.parse(chunk, clock.latest_valid_us()) for chunk in chunks),
            lifeline, ledger, reject_limit, on_chunk, settle=True,
        )  # fmt: skip
    else:
        kind = layout.kind
        _load(
            lambda conn: LocalHoursWriter(conn, ledger, kind),
            (parse_local_hours(chunk, layout) for chunk in chunks),
            lifeline, ledger, reject_limit, on_chunk, settle=False,
        )  # fmt: skip


def _load(
    make_writer: Callable[[psycopg.Connection], Writer[P]],
    items: Iterator[P],
    lifeline: Lifeline,
    ledger: ImportLedger,
    reject_limit: float,
    on_chunk: OnChunk,
    *,
    settle: bool,
) -> None:
    """`settle`: end properly what was written, also when the rest is refused."""
    writer = _PatientWriter(make_writer, lifeline, ledger)
    try:
        with ahead(items) as parsed_chunks:
            for parsed in parsed_chunks:
                if len(parsed.rejects) > reject_limit * parsed.rows_read:
                    raise TooManyRejects(parsed, reject_limit)
                writer.write(parsed)
                on_chunk(parsed.chunk, parsed.rows_read)
    except BadInputFile:
        if settle and ledger.checkpoint:
            writer.finish()
        raise
    except ImportCanceled:
        ledger.settle()
        if settle and ledger.checkpoint:
            writer.finish()
        raise
    writer.finish()


class _PatientWriter(Generic[P]):
    """A writer that survives its connection: after an outage a new one goes on with the first chunk not committed."""

    def __init__(
        self,
        make_writer: Callable[[psycopg.Connection], Writer[P]],
        lifeline: Lifeline,
        ledger: ImportLedger,
    ) -> None:
        self._make_writer = make_writer
        self._lifeline = lifeline
        self._ledger = ledger
        self._writer: Writer[P] | None = None
        self._writes_through: psycopg.Connection | None = None

    def write(self, parsed: P) -> None:
        self._lifeline.apply(lambda: self._write(parsed))

    def finish(self) -> None:
        self._lifeline.apply(self._finish)

    def _write(self, parsed: P) -> None:
        if not self._ledger.holds(parsed.chunk):
            self._ledger.reading(parsed.chunk)
            self._current().write(parsed)

    def _finish(self) -> None:
        if self._ledger.checkpoint:
            self._current().finish(self._ledger.checkpoint.end_byte)

    def _current(self) -> Writer[P]:
        if self._writer is None or self._writes_through is not self._ledger.conn:
            self._writes_through = self._ledger.conn
            self._writer = self._make_writer(self._ledger.conn)
        return self._writer
