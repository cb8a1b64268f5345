"""Loads the table in one source: opens it, parses its chunks ahead in a thread, and writes them in order."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, islice

import psycopg

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.chunks import Prefix, open_table
from services.ingest.parse.doubtful_ids import describe_doubtful_ids
from services.ingest.parse.encodings import FileEncoding
from services.ingest.parse.header import Layout
from services.ingest.parse.kinds import PACKED_KINDS
from services.ingest.parse.local_hours import parse_local_hours
from services.ingest.parse.offers import OFFERED_REASONS, offer_fixes
from services.ingest.parse.parsed import ParsedLocalHours, ParsedPolls
from services.ingest.parse.polls import PollParser
from services.ingest.parse.refusals import parse_above_refusals
from services.ingest.parse.store_numbers import StoreNumbers
from services.ingest.run.date_order import require_date_order
from services.ingest.run.load_options import LoadOptions
from services.ingest.run.progress import LoadProgress
from services.ingest.sources.source import Source
from services.ingest.write.database_clock import DatabaseClock
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.load_chunks import ChunkLoader
from services.ingest.write.local_hours import LocalHoursWriter
from services.ingest.write.look_alikes import find_look_alikes
from services.ingest.write.note_table import read_reasons
from services.ingest.write.packed_rows import read_packed_stores
from services.ingest.write.polls import PollWriter
from services.ingest.write.quality_report import read_quality
from services.ingest.write.reconnect import Lifeline
from services.ingest.write.step import LOAD, Step
from services.ingest.write.weekly_hours import OnStep

_SAMPLED_REJECTS = 10_000


def load_table(
    source: Source,
    ledger: ImportLedger,
    lifeline: Lifeline,
    options: LoadOptions,
    step: Step = LOAD,
) -> None:
    """Load what follows the header or the checkpoint, and finish the import, unless it is to wait for its delivery.

    Raise `BadInputFile`, `ImportCanceled` and `PrefixDiffers`. Committed chunks of polls stay. All other
    kinds take effect at the end, so that nothing of a refused file stays.
    """
    prefix, limits = Prefix(), options.limits
    rows_read = ledger.checkpoint.end_line - 1 if ledger.checkpoint else 0
    size_bytes = source.size_bytes

    def report_chunk(chunk: Chunk, rows: int) -> None:
        nonlocal rows_read
        rows_read += rows
        options.on_progress(LoadProgress(source.name, chunk.end_byte, size_bytes, rows_read))

    def read_stores() -> StoreNumbers:
        return read_packed_stores(ledger.conn, ledger.import_id)

    def report_step(applied: int, total: int) -> None:
        done = size_bytes or prefix.size_bytes
        options.on_progress(LoadProgress(source.name, done, size_bytes, rows_read, applied, total))

    with closing(source.read_blocks()) as blocks:
        layout, chunks = open_table(blocks, limits.chunk_bytes, prefix=prefix, resume_at=ledger.checkpoint)
        lifeline.run_until_done(lambda: ledger.start_loading(layout.kind, size_bytes, layout.remark))
        loader = ChunkLoader(
            lifeline, ledger, limits.reject_limit, report_chunk, partial(offer_fixes, layout=layout)
        )
        encoding = FileEncoding(ledger.encoding or layout.encoding)
        store_ids: Sequence[str] = ()
        if layout.kind == "polls":
            reasons = lifeline.run_until_done(lambda: read_reasons(ledger.conn)) if layout.optional else None
            parser = PollParser(
                layout, ledger.reading, encoding, allow_odd_ids=limits.allow_odd_ids, reasons=reasons
            )
            clock = lifeline.run_until_done(lambda: DatabaseClock(ledger.conn))
            if ledger.checkpoint is None:
                latest_us = clock.latest_valid_us()
                require_date_order(source, ledger.reading.date_format, limits.chunk_bytes, latest_us)
            _load_polls(parser, chunks, loader, clock)
            store_ids = parser.list_stores()
        else:
            first = list(islice(chunks, 1))
            resumes = bool(first) and ledger.checkpoint is not None and layout.kind in PACKED_KINDS
            stores = [lifeline.run_until_done(read_stores) if resumes else StoreNumbers()]
            parse = partial(
                parse_local_hours,
                layout=layout,
                encoding=encoding,
                allow_odd_ids=limits.allow_odd_ids,
                effective_from=ledger.reading.first_date,
            )
            parsed = _parse_all(chain(first, chunks), parse, stores.pop())
            if layout.kind == "closures":
                parsed = options.closing.check(parsed)
            _load_local_hours(layout, parsed, loader, step, report_step)
    if step.stage_only and layout.kind != "polls":
        return

    def finish() -> None:
        quality = read_quality(ledger.conn, ledger.import_id, ledger.named)
        quality |= find_look_alikes(ledger.conn, store_ids)
        if notes := [*_list_notes(ledger, layout), *describe_doubtful_ids(store_ids)]:
            quality["notes"] = notes
        sha256 = prefix.digest.digest()
        ledger.finish("succeeded", sha256=sha256, size_bytes=size_bytes or prefix.size_bytes, quality=quality)

    lifeline.run_until_done(finish)


def _parse_all(
    chunks: Iterator[Chunk], parse: Callable[..., ParsedLocalHours], stores: StoreNumbers
) -> Iterator[ParsedLocalHours]:
    """Yield the parsed chunks. The numbers of the stores take 150 MB of a million, and are gone when the rows take effect."""
    for chunk in chunks:
        yield parse_above_refusals(partial(parse, stores=stores), chunk)


def _list_notes(ledger: ImportLedger, layout: Layout) -> list[str]:
    """Return how polls were read, and how rejected ones could be. The notes on other files are saved with their rows."""
    if layout.kind != "polls":
        return []
    rejects = ledger.sample_rejects(OFFERED_REASONS, _SAMPLED_REJECTS)
    return [*ledger.reading.describe(), *offer_fixes(rejects, layout)]


def _load_polls(
    parser: PollParser, chunks: Iterator[Chunk], loader: ChunkLoader, clock: DatabaseClock
) -> None:
    ledger = loader.ledger

    def parse(chunk: Chunk) -> ParsedPolls:
        return parser.parse_chunk(chunk, clock.latest_valid_us())

    parsed = (parse_above_refusals(parse, chunk) for chunk in chunks)
    loader.load_chunks(parsed, lambda conn: PollWriter(conn, ledger), keeps_chunks=True)


def _load_local_hours(
    layout: Layout,
    parsed: Iterator[ParsedLocalHours],
    loader: ChunkLoader,
    step: Step,
    on_step: OnStep,
) -> None:
    def make_writer(conn: psycopg.Connection) -> LocalHoursWriter:
        return LocalHoursWriter(conn, loader.ledger, layout.kind, step, on_step)

    loader.load_chunks(parsed, make_writer, keeps_chunks=False)
