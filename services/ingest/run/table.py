"""Loads the table in one source: opens it, parses its chunks ahead in a thread, and writes them in order."""

from collections.abc import Iterator
from contextlib import closing

import psycopg

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.chunks import Prefix, open_table
from services.ingest.parse.header import Layout
from services.ingest.parse.local_hours import parse_local_hours
from services.ingest.parse.polls import PollParser
from services.ingest.run.limits import Limits
from services.ingest.run.progress import LoadProgress, OnProgress
from services.ingest.sources.source import Source
from services.ingest.write.database_clock import DatabaseClock
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.load_chunks import ChunkLoader
from services.ingest.write.local_hours import LocalHoursWriter
from services.ingest.write.polls import PollWriter
from services.ingest.write.quality_report import read_quality
from services.ingest.write.reconnect import Lifeline


def load_table(
    source: Source,
    ledger: ImportLedger,
    lifeline: Lifeline,
    on_progress: OnProgress,
    limits: Limits,
    *,
    stage_only: bool = False,
) -> None:
    """Load what follows the header or the checkpoint, and finish the import, unless it is to wait for its delivery.

    Raise `BadInputFile`, `ImportCanceled` and `PrefixDiffers`. Committed chunks of polls stay. All other
    kinds take effect at the end, so that nothing of a refused file stays.
    """
    prefix = Prefix()
    rows_read = ledger.checkpoint.end_line - 1 if ledger.checkpoint else 0
    size_bytes = source.size_bytes

    def report_chunk(chunk: Chunk, rows: int) -> None:
        nonlocal rows_read
        rows_read += rows
        on_progress(LoadProgress(source.name, chunk.end_byte, size_bytes, rows_read))

    with closing(source.read_blocks()) as blocks:
        layout, chunks = open_table(blocks, limits.chunk_bytes, prefix=prefix, resume_at=ledger.checkpoint)
        lifeline.run_until_done(lambda: ledger.start_loading(layout.kind, limits.effective_from))
        loader = ChunkLoader(lifeline, ledger, limits.reject_limit, report_chunk)
        if layout.kind == "polls":
            _load_polls(layout, chunks, loader)
        else:
            _load_local_hours(layout, chunks, loader, limits, stage_only=stage_only)
    if stage_only:
        return

    def finish() -> None:
        quality = read_quality(ledger.conn, ledger.import_id)
        sha256 = prefix.digest.digest()
        ledger.finish("succeeded", sha256=sha256, size_bytes=size_bytes or prefix.size_bytes, quality=quality)

    lifeline.run_until_done(finish)


def _load_polls(layout: Layout, chunks: Iterator[Chunk], loader: ChunkLoader) -> None:
    ledger, parser = loader.ledger, PollParser(layout)
    clock = loader.lifeline.run_until_done(lambda: DatabaseClock(ledger.conn))
    parsed = (parser.parse_chunk(chunk, clock.latest_valid_us()) for chunk in chunks)
    loader.load_chunks(parsed, lambda conn: PollWriter(conn, ledger), keeps_chunks=True)


def _load_local_hours(
    layout: Layout, chunks: Iterator[Chunk], loader: ChunkLoader, limits: Limits, *, stage_only: bool
) -> None:
    def make_writer(conn: psycopg.Connection) -> LocalHoursWriter:
        return LocalHoursWriter(conn, loader.ledger, layout.kind, stage_only=stage_only)

    parsed = (parse_local_hours(chunk, layout, limits.effective_from) for chunk in chunks)
    loader.load_chunks(parsed, make_writer, keeps_chunks=False)
