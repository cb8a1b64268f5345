"""The use case: load these files, stores and zones before polls, and say what became of every row."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import psycopg

from services.ingest.chunks import CHUNK_BYTES, Chunk, Metered, open_table
from services.ingest.header import LOAD_ORDER, Kind, Layout
from services.ingest.ledger import DatabaseClock, ImportLedger
from services.ingest.local_hours import LocalHoursWriter
from services.ingest.polls import parse_polls
from services.ingest.prefetch import ahead
from services.ingest.reasons import Reject
from services.ingest.sources import Source, expand
from services.ingest.write_polls import PollWriter
from shared.db.connect import connect
from shared.errors import BadInputFile

_STATEMENT_TIMEOUT_S = 900.0  # the key of a week of 160 million polls is built in one statement


@dataclass(frozen=True)
class Progress:
    """How far one file is. `bytes_total` is None where the size is not known."""

    source: str
    bytes_done: int
    bytes_total: int | None
    rows_read: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class ImportResult:
    """What became of one file. A file refused as a whole has an `error`, and no id if it had no valid header."""

    source: str
    state: Literal["succeeded", "failed"]
    id: UUID | None = None
    kind: Kind | None = None
    rows_read: int = 0
    accepted: int = 0
    duplicate: int = 0
    corrected: int = 0
    rejected: int = 0
    first_rejects: Sequence[Reject] = ()
    seconds: float = 0.0
    error: str | None = None


def ingest_paths(
    database_url: str,
    paths: Sequence[str],
    *,
    on_progress: OnProgress | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> list[ImportResult]:
    """Load what the paths name, each file as an import of its own; a refused file does not keep back the others.

    Raises `BadInputFile` when a path names nothing, and `DatabaseUnavailable`.
    """
    report = on_progress or (lambda _: None)
    results = []
    for source in sorted(expand(paths), key=_load_order):
        with connect(
            database_url,
            application_name="uptill-ingest",
            statement_timeout_s=_STATEMENT_TIMEOUT_S,
            autocommit=True,
        ) as conn:
            results.append(ingest_source(conn, source, on_progress=report, chunk_bytes=chunk_bytes))
    return results


def ingest_source(
    conn: psycopg.Connection, source: Source, *, on_progress: OnProgress, chunk_bytes: int = CHUNK_BYTES
) -> ImportResult:
    """Load one source through a connection in autocommit mode that no other import uses. Raises `DatabaseUnavailable`."""
    ledger: ImportLedger | None = None
    error: str | None = None
    try:
        with closing(source.blocks()) as blocks:
            metered = Metered(blocks)
            layout, chunks = open_table(metered, chunk_bytes)
            ledger = ImportLedger.open(conn, layout.kind, source.name)
            meter = _Meter(source, on_progress)
            load = _load_polls if layout.kind == "polls" else _load_local_hours
            load(conn, ledger, layout, chunks, meter)
            ledger.finish("succeeded", sha256=metered.digest.digest(), size_bytes=metered.size_bytes)
    except BadInputFile as refusal:
        error = str(refusal)
        if ledger is None:
            return ImportResult(source.name, "failed", error=error)
        ledger.finish("failed", error={"reason": refusal.reason, "message": error})
    except BaseException as fault:
        if ledger is not None:
            with suppress(psycopg.Error):  # the fault itself matters more
                ledger.finish("failed", error={"reason": "fault", "message": type(fault).__name__})
        raise
    rejects = ledger.first_rejects()
    return ImportResult(
        source.name,
        id=ledger.import_id,
        kind=layout.kind,
        first_rejects=rejects,
        error=error,
        **ledger.result(),
    )


class _Meter:
    """Adds up rows and tells the caller."""

    def __init__(self, source: Source, on_progress: OnProgress) -> None:
        self._source = source
        self._on_progress = on_progress
        self._rows_read = 0
        self.end_byte = 0

    def passed(self, chunk: Chunk, rows_read: int) -> None:
        self._rows_read += rows_read
        self.end_byte = chunk.end_byte
        self._on_progress(
            Progress(self._source.name, chunk.end_byte, self._source.size_bytes, self._rows_read)
        )


def _load_polls(
    conn: psycopg.Connection, ledger: ImportLedger, layout: Layout, chunks: Iterator[Chunk], meter: _Meter
) -> None:
    clock = DatabaseClock(conn)
    writer = PollWriter(conn, ledger)
    try:
        with ahead(parse_polls(chunk, layout, clock.latest_valid_us()) for chunk in chunks) as parsed:
            for polls in parsed:
                writer.write(polls)
                meter.passed(polls.chunk, polls.rows_read)
    except BadInputFile:
        writer.finish(meter.end_byte)  # what was committed stays, and is settled
        raise
    writer.finish(meter.end_byte)


def _load_local_hours(
    conn: psycopg.Connection, ledger: ImportLedger, layout: Layout, chunks: Iterator[Chunk], meter: _Meter
) -> None:
    writer = LocalHoursWriter(conn, ledger, layout)
    for chunk in chunks:
        meter.passed(chunk, writer.stage(chunk))
    writer.apply(meter.end_byte)


def _load_order(source: Source) -> int:
    """Time zones, then hours, then polls, then what cannot be told before it is read."""
    if source.rereadable:
        try:
            with closing(source.blocks()) as blocks:
                return LOAD_ORDER.index(open_table(blocks)[0].kind)
        except BadInputFile:
            pass  # said when it is loaded
    return len(LOAD_ORDER)
