"""Tells what files would change, and changes nothing.

All kinds except polls are loaded for real in one transaction, which is rolled back. So the counts and remarks are exact,
and other imports wait for it only as long as for a real one. Polls are only compared: see `compare_polls.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import TypeVar
from uuid import UUID

import psycopg

from services.ingest.run.compare_polls import PollComparison
from services.ingest.run.delivery import load_parts
from services.ingest.run.load_options import LoadOptions
from services.ingest.run.loaded_before import find_loaded_before, finish_skipped
from services.ingest.run.source import STATEMENT_TIMEOUT_S, run_import
from services.ingest.sources.source import ResolvedSource, Source
from services.ingest.write.import_result import ImportResult, read_import_result
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.reconnect import Lifeline
from services.ingest.write.step import Step
from shared.db.connect import connect
from shared.db.driver_errors import translated_errors
from shared.db.queries import queries
from shared.errors import BadInputFile

_SQL = queries("ingest")
T = TypeVar("T")


def plan_sources(
    database_url: str,
    sources: Sequence[ResolvedSource],
    options: LoadOptions,
) -> list[ImportResult]:
    """Return what loading the sources as one delivery would give, in load order. The results have no import.

    Their `quality` has `plan`: `stores`, `new_stores` and the first of them, `first_date`, `last_date`, and
    `rows_removed` of hours. Raise `DatabaseUnavailable` and `StorageUnavailable`.
    """
    with connect(
        database_url,
        application_name="uptill-ingest dry run",
        statement_timeout_s=STATEMENT_TIMEOUT_S,
        lock_timeout_s=options.limits.lock_timeout_s,
        autocommit=True,
    ) as conn:
        others = [(source, None, None) for source in sources if source.kind != "polls"]
        with conn.transaction(force_rollback=True):
            load = _Rehearsal(conn, options).load_source
            found = [result for _, result in load_parts(others, load)]
        polls = sorted(
            (source for source in sources if source.kind == "polls"), key=lambda source: source.load_order
        )
        planned = _plan_polls(conn, polls, options)
        unknown = sum(source.kind is None for source in sources)
        known = len(found) - unknown
        return [*found[:known], *planned, *found[known:]]


def _plan_polls(
    conn: psycopg.Connection, sources: Sequence[Source], options: LoadOptions
) -> list[ImportResult]:
    """Return what loading files of polls one after the other would give."""
    comparison = PollComparison(conn, options)
    skipped: list[ImportResult | None] = []
    for source in sources:
        skipped.append(_find_same(conn, source, options, comparison))
        if skipped[-1] is None:
            comparison.compare(source)
    compared = iter(comparison.list_results())
    return [result or next(compared) for result in skipped]


def _find_same(
    conn: psycopg.Connection, source: Source, options: LoadOptions, comparison: PollComparison
) -> ImportResult | None:
    """Return the result of a load that would be skipped, or None."""
    try:
        if copied := comparison.find_copy(source):
            quality = {"notes": [f"skipped: it has the same bytes as {copied.name}"]}
            return ImportResult(source.name, "succeeded", kind="polls", quality=quality)
        found = find_loaded_before(conn, source, options.reading, options)
    except BadInputFile:
        return None  # the comparison says why
    if found is None or comparison.has_corrected():
        return None
    with conn.transaction(force_rollback=True):
        ledger = ImportLedger.create(conn, None, source.name, source.size_bytes, options.reading, kept=False)
        finish_skipped(ledger, source, found)
        result = read_import_result(ledger, source.name)
        ledger.release()
    return replace(result, id=None)


class _Rehearsal:
    """Loads sources in the caller's transaction. Each keeps its ledger between staging and taking effect."""

    def __init__(self, conn: psycopg.Connection, options: LoadOptions) -> None:
        self._conn = conn
        self._options = options
        self._ledgers: dict[UUID, ImportLedger] = {}
        self._places = count()

    def load_source(self, source: Source, import_id: UUID | None, step: Step) -> ImportResult:
        ledger = (
            self._hold_again(import_id)
            if import_id
            else ImportLedger.create(
                self._conn, None, source.name, source.size_bytes, self._options.reading, kept=False
            )
        )
        ledger.rehearsed = self._places
        self._ledgers[ledger.import_id] = ledger
        # Another file of the delivery may have closed it.
        if import_id and (closed := read_import_result(ledger, source.name)).state != "running":
            return replace(closed, id=None)
        result = run_import(
            source,
            ledger,
            self._options,
            step,
            lifeline=_OneTransaction(ledger),
        )
        # Temporary tables are emptied at the end of a transaction, which comes later here.
        self._conn.execute(_SQL["drop_wanted"])
        return result if result.state == "running" else replace(result, id=None, resumed_at_byte=0)

    def _hold_again(self, import_id: UUID) -> ImportLedger:
        """Return the ledger of a source that was staged. Its first step released it."""
        ledger = self._ledgers[import_id]
        ledger.try_hold()
        return ledger


class _OneTransaction(Lifeline):
    """Does not reconnect: on a new connection, the rest would be kept."""

    def run_until_done(self, work: Callable[[], T]) -> T:
        with translated_errors():
            return work()
