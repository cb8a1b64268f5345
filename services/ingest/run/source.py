"""Loads one source under one import, from claiming the import to its result."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from uuid import UUID

import psycopg

from services.ingest.import_result import DELIVERY_INCOMPLETE, NAMED_CULPRITS
from services.ingest.parse.chunks import PrefixDiffers
from services.ingest.parse.order_proof import DATE_ORDER
from services.ingest.parse.refusals import ChunkRefused
from services.ingest.run.load_options import DEFAULT_OPTIONS, LoadOptions
from services.ingest.run.loaded_before import finish_loaded_before
from services.ingest.run.table import load_table
from services.ingest.sources.source import Source
from services.ingest.write import claim
from services.ingest.write.counts import RowCounts
from services.ingest.write.day_numbers import DaysUnclear
from services.ingest.write.import_result import ImportResult, read_import_result
from services.ingest.write.ledger import FAULT, ImportLedger
from services.ingest.write.quality_report import count_rejects
from services.ingest.write.reconnect import Lifeline
from services.ingest.write.step import LOAD, Step
from shared.db.connect import connect
from shared.errors import BadInputFile, ImportCanceled, UptillError
from shared.texts import first_of

STOPPED = "stopped with Ctrl-C; run the same command again to go on"
_KEPT_ROWS = "The rows up to line {:,} are stored, possibly at wrong times, and cannot be taken back: see docs/how-to/retention.md"
STATEMENT_TIMEOUT_S = 900.0  # one statement indexes a week of 160 million polls


class DeliveryIncomplete(BadInputFile):
    """Other files of the delivery were not loaded, so the rows of this one do not take effect."""

    def __init__(self, missing: Sequence[str]) -> None:
        were, these, them = (
            ("was", "that file", "it") if len(missing) == 1 else ("were", "those files", "them")
        )
        super().__init__(
            DELIVERY_INCOMPLETE,
            f"not applied, because {first_of(missing, NAMED_CULPRITS)} of the same delivery {were} not loaded: stores keep"
            f" what they had. Correct {these}, or leave {them} out, and load all files of the delivery again",
        )


def load_source(
    database_url: str,
    source: Source,
    import_id: UUID | None = None,
    step: Step = LOAD,
    *,
    options: LoadOptions = DEFAULT_OPTIONS,
) -> ImportResult:
    """Call `ingest_source` with a connection of its own."""
    with connect(
        database_url,
        application_name="uptill-ingest",
        statement_timeout_s=STATEMENT_TIMEOUT_S,
        lock_timeout_s=options.limits.lock_timeout_s,
        autocommit=True,
    ) as conn:
        return ingest_source(conn, source, import_id, step, options=options)


def ingest_source(
    conn: psycopg.Connection,
    source: Source,
    import_id: UUID | None = None,
    step: Step = LOAD,
    *,
    options: LoadOptions = DEFAULT_OPTIONS,
) -> ImportResult:
    """Load one source through a connection in autocommit mode that no other import uses.

    1. Claim the queued import with `import_id`, or an interrupted one of this source, or create one.
    2. Do not load bytes again that were loaded before; the result names their import (`same_as`).
    3. Resume an interrupted import after its last committed chunk, if the bytes before it are the same.
    4. Stop if more rows of a chunk are rejected than the limits allow.
    A new import is read as `options.reading` describes, a queued one as it was told when it was queued.
    A `step` may only stage the rows, and leave the import in state `running`. A second call with its `import_id` then
    applies what is staged of the whole delivery, or fails the import if another file of the delivery was not loaded.
    An outage of the database is waited out; after one, `conn` is closed.
    Raise `DatabaseUnavailable` after a long outage: the import resumes when the source is loaded again.
    Raise `ImportBusy` and `ImportNotFound` for `import_id`.
    """
    ledger = (
        claim.claim_queued(conn, import_id)
        if import_id
        else claim.claim_interrupted(conn, source, options.reading, step.delivery_id)
        or claim.create_import(conn, source, options.reading)
    )
    # The importer may load an upload whose import has already ended.
    if ledger.state not in {"queued", "running"}:
        ledger.release()
        return read_import_result(ledger, source.name)
    try:
        return run_import(source, ledger, options, step)
    except PrefixDiffers:
        if import_id:
            claim.refuse_changed(ledger)
            result = read_import_result(ledger, source.name)
            ledger.release()
            return result
        claim.abandon_import(ledger)
        fresh = claim.create_import(conn, source, ledger.reading)
        return run_import(source, fresh, options, step)


def _record_refusal(ledger: ImportLedger, refusal: BadInputFile) -> None:
    """Close the import, and keep the rejected rows of the chunk that was one too many. May be repeated."""
    if ledger.state in {"stopped", "failed"}:
        return  # committed before the outage
    error: dict[str, object] = {"reason": refusal.reason, "message": str(refusal)}
    rejects = refusal.rejects if isinstance(refusal, ChunkRefused) else ()
    if rejects:
        error["rejects"] = dict(Counter(reject.reason for reject in rejects))
    kept = ledger.checkpoint if isinstance(refusal, ChunkRefused) and ledger.kind == "polls" else None
    if kept and refusal.reason == DATE_ORDER:
        error["message"] = f"{refusal}. {_KEPT_ROWS.format(kept.end_line)}"
    with ledger.conn.transaction():
        ledger.add_rejects(rejects)
        ledger.count_for(ledger.import_id, RowCounts(rejected=len(rejects)))
        quality = count_rejects(ledger.conn, [ledger.import_id])
        ledger.finish("stopped" if kept else "failed", error=error, quality=quality)


def _refuse_unclear(ledger: ImportLedger, refusal: DaysUnclear, step: Step) -> None:
    """Close the imports of the unclear files, and this one if its rows were to take effect now. May be repeated."""
    for import_id in refusal.imports:
        _record_refusal(ImportLedger(ledger.conn, import_id), refusal)
    if not step.stage_only and ledger.import_id not in refusal.imports:
        _record_refusal(ledger, DeliveryIncomplete(list(refusal.imports.values())))


def _record_fault(ledger: ImportLedger, fault: BaseException) -> None:
    """Close and release an import that may resume."""
    if isinstance(fault, (KeyboardInterrupt, GeneratorExit)):
        message = str(fault) or STOPPED
    else:
        message = str(fault) if isinstance(fault, UptillError) else type(fault).__name__
    try:
        ledger.finish("failed", error={"reason": FAULT, "message": message})
    finally:
        ledger.release()


def _hold(missing: Sequence[str]) -> None:
    """Raise `DeliveryIncomplete`."""
    raise DeliveryIncomplete(missing)


def run_import(
    source: Source,
    ledger: ImportLedger,
    options: LoadOptions,
    step: Step,
    *,
    lifeline: Lifeline | None = None,
) -> ImportResult:
    """Load under an import that this session holds. Raise `PrefixDiffers` before anything is done."""
    if step.ended_by:
        _record_fault(ledger, step.ended_by)
        return read_import_result(ledger, source.name)
    if step.delivery_id:
        ledger.join_delivery(step.delivery_id)
    resumed_at_byte = ledger.checkpoint.end_byte if ledger.checkpoint else 0
    refused: Sequence[UUID] = ()
    with closing(lifeline or Lifeline(ledger, options.limits.lock_patience_s)) as line:
        try:
            # What took effect before a kill is finished, not held.
            if bool(step.held_by) and line.run_until_done(ledger.has_staged_rows):
                _hold(step.held_by)
            # One of several files that set the same is always loaded: the same bytes beside others mean other hours.
            starts_anew = step.may_skip and not (step.delivery_id or ledger.checkpoint)
            if not (starts_anew and finish_loaded_before(ledger, source, options)):
                load_table(source, ledger, line, options, step)
        except DaysUnclear as refusal:
            refused = list(refusal.imports)
            line.run_until_done(partial(_refuse_unclear, ledger, refusal, step))
        except BadInputFile as refusal:
            line.run_until_done(partial(_record_refusal, ledger, refusal))
        except ImportCanceled:
            # The import's row already has this state.
            pass
        except PrefixDiffers:
            raise
        except BaseException as fault:
            # The fault itself matters more than an error while it is recorded.
            with suppress(psycopg.Error):
                _record_fault(ledger, fault)
            raise
        result = line.run_until_done(lambda: read_import_result(ledger, source.name, resumed_at_byte))
        ledger.release()
        return replace(result, refused=refused)
