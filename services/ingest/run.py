"""The use case: load these files, stores and zones before polls, and say what became of every row."""

from collections.abc import Sequence
from contextlib import closing, suppress
from uuid import UUID

import psycopg

from services.ingest.load_stored import load_stored
from services.ingest.parse.chunks import Chunk, Prefix, PrefixDiffers, open_table
from services.ingest.parse.reasons import Reject
from services.ingest.sources.find import Source, find
from services.ingest.write import claim
from services.ingest.write.ledger import FAULT, ImportLedger
from services.ingest.write.limits import Limits
from services.ingest.write.load_table import TooManyRejects, load_table
from services.ingest.write.outcome import ImportResult, OnProgress, Progress
from services.ingest.write.quality_report import quality_report
from services.ingest.write.reconnect import Lifeline
from shared.db.connect import connect
from shared.errors import BadInputFile, ImportCanceled, UptillError

_USUAL = Limits()
STATEMENT_TIMEOUT_S = 900.0  # the key of a week of 160 million polls is built in one statement


def ingest_paths(
    database_url: str,
    paths: Sequence[str],
    *,
    on_progress: OnProgress = lambda _: None,
    limits: Limits = _USUAL,
) -> list[ImportResult]:
    """Load what the paths name, each file as an import of its own; a refused file does not keep back the others.

    Raises `BadInputFile` when a path names nothing, and `DatabaseUnavailable`.
    """

    def load(source: Source, import_id: UUID | None) -> ImportResult:
        return load_source(database_url, source, on_progress=on_progress, limits=limits, import_id=import_id)

    return list(load_stored(database_url, [stored for path in paths for stored in find(path)], load))


def load_source(
    database_url: str,
    source: Source,
    *,
    on_progress: OnProgress = lambda _: None,
    limits: Limits = _USUAL,
    import_id: UUID | None = None,
) -> ImportResult:
    """`ingest_source` through a connection of its own."""
    with connect(
        database_url,
        application_name="uptill-ingest",
        statement_timeout_s=STATEMENT_TIMEOUT_S,
        lock_timeout_s=limits.lock_timeout_s,
        autocommit=True,
    ) as conn:
        return ingest_source(conn, source, on_progress=on_progress, limits=limits, import_id=import_id)


def ingest_source(
    conn: psycopg.Connection,
    source: Source,
    *,
    on_progress: OnProgress,
    limits: Limits = _USUAL,
    import_id: UUID | None = None,
) -> ImportResult:
    """Load one source through a connection in autocommit mode that no other import uses.

    1. The import is the queued one with `import_id`, or one of this source that was interrupted, or a new one.
    2. Bytes that were loaded before are not loaded again; the result names their import (`same_as`).
    3. An interrupted import goes on behind its last committed chunk, if the bytes before that are the same.
    4. A chunk of which more is rejected than the limits allow stops the import.
    An outage of the database is waited out; after one, `conn` is closed.
    Raises `DatabaseUnavailable` after a long one: the import goes on when the source is loaded again.
    Raises `ImportBusy` and `ImportNotFound` for `import_id`.
    """
    ledger = (
        claim.queued_import(conn, import_id)
        if import_id
        else claim.interrupted_import(conn, source) or claim.new_import(conn, source)
    )
    if ledger.state not in {"queued", "running"}:  # delivered twice
        ledger.release()
        return _result(source, ledger)
    try:
        return _run(source, ledger, on_progress, limits)
    except PrefixDiffers:
        claim.abandon(ledger)
        return _run(source, claim.new_import(conn, source), on_progress, limits)


def _run(source: Source, ledger: ImportLedger, on_progress: OnProgress, limits: Limits) -> ImportResult:
    """Load under an import that this session holds. Raises `PrefixDiffers` before anything is done."""
    resumed_at_byte = ledger.checkpoint.end_byte if ledger.checkpoint else 0
    rejects: Sequence[Reject] = ()
    with closing(Lifeline(ledger, limits.lock_patience_s)) as lifeline:
        try:
            if ledger.checkpoint or not claim.finish_loaded_before(ledger, source):
                _load(source, ledger, lifeline, on_progress, limits)
        except BadInputFile as refusal:
            error: dict[str, object] = {"reason": refusal.reason, "message": str(refusal)}
            stopped = False
            if isinstance(refusal, TooManyRejects):
                error["rejects"] = refusal.reasons
                rejects = refusal.rejects
                stopped = ledger.kind == "polls" and ledger.checkpoint is not None
            lifeline.apply(lambda: ledger.finish("stopped" if stopped else "failed", error=error))
        except ImportCanceled:
            pass  # the row says so
        except PrefixDiffers:
            raise
        except BaseException as fault:
            message = str(fault) if isinstance(fault, UptillError) else type(fault).__name__
            with suppress(psycopg.Error):  # the fault itself matters more
                ledger.finish("failed", error={"reason": FAULT, "message": message})
            ledger.release()
            raise
        result = lifeline.apply(lambda: _result(source, ledger, resumed_at_byte, rejects))
        ledger.release()
        return result


def _load(
    source: Source, ledger: ImportLedger, lifeline: Lifeline, on_progress: OnProgress, limits: Limits
) -> None:
    prefix = Prefix()
    rows_read = ledger.checkpoint.end_line - 1 if ledger.checkpoint else 0
    size_bytes = source.size_bytes

    def on_chunk(chunk: Chunk, rows: int) -> None:
        nonlocal rows_read
        rows_read += rows
        on_progress(Progress(source.name, chunk.end_byte, size_bytes, rows_read))

    with closing(source.blocks()) as blocks:
        layout, chunks = open_table(blocks, limits.chunk_bytes, prefix=prefix, resume_at=ledger.checkpoint)
        lifeline.apply(lambda: ledger.start(layout.kind))
        load_table(lifeline, ledger, layout, chunks, reject_limit=limits.reject_limit, on_chunk=on_chunk)

    def finish() -> None:
        quality = quality_report(ledger.conn, ledger.import_id)
        sha256 = prefix.digest.digest()
        ledger.finish("succeeded", sha256=sha256, size_bytes=size_bytes or prefix.size_bytes, quality=quality)

    lifeline.apply(finish)


def _result(
    source: Source, ledger: ImportLedger, resumed_at_byte: int = 0, rejects: Sequence[Reject] = ()
) -> ImportResult:
    """`rejects`: of a chunk that stopped the import, if none was committed."""
    return ImportResult(
        source.name,
        first_rejects=ledger.first_rejects() or rejects,
        resumed_at_byte=resumed_at_byte,
        **ledger.result(),
    )
