"""The quality report of an import: counts, and what a sample says about how its stores are polled.

It describes the tables once the import is in. Its cost does not grow with the number of polls.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from services.ingest.parse.encodings import READ_AS_CP1252
from services.ingest.write.quality_sample import sample_polls
from services.ingest.write.remarks import LISTS
from shared.db.queries import queries
from shared.diagnostics.find import find_all
from shared.diagnostics.registry import DataFinding

_SQL = queries("quality")


def read_quality(conn: psycopg.Connection, import_id: UUID) -> dict[str, object]:
    """Return the report by name. A value is null if there is nothing to divide by.

    Any import: `rejects` by reason, `assumed_utc` (timestamps without a zone that were read as UTC; absent if none),
    `duplicates`, `corrections`, `stores` (that were polled), `stores_without_hours` (of these; open 24x7),
    `stores_without_timezone` (of these) and `stores_never_polled` (all others).

    Any import but polls: `diagnostics`, what may be wrong with all stores' hours, dates, lifetimes and closures: each with
    its name, severity, number and first examples. Absent if nothing is, or if a lock or a slow database delays them.

    Hours add `hours_rows`, `seams_snapped` (closing 23:59:59 or 23:59:00, read as 24:00) and `overlapping_hours` (rows
    that open before an earlier row of the store closes). Polls add `newest_poll` (the newest that the import changed, or
    the newest of all), `stores_silent_24h` (polled before, but not in the 24 hours up to it) and the sample of
    `sample_polls`. The report of an archive covers its members.

    Hours and zones also have what `Remarks` saved before, if there is any: `notes` (texts), and `stores_unchanged` and
    `stores_shrunk` (numbers of stores), each with a list of the first stores. Any import has `look_alikes` and its list
    if there are any, and `encoding` (`utf-8` or `cp1252`) unless its file is all ASCII.
    """
    ((kind, ids, duplicates, corrections, assumed_utc),) = conn.execute(_SQL["subject"], {"id": import_id})
    report: dict[str, object] = {
        "rejects": dict(conn.execute(_SQL["rejects"], {"ids": ids}).fetchall()),
        "duplicates": duplicates,
        "corrections": corrections,
    }
    if assumed_utc:
        report["assumed_utc"] = assumed_utc
    if kind == "archive":
        report |= _gather_remarks(conn, import_id)
    has_polls = kind in {"polls", "archive"}
    with conn.cursor(row_factory=dict_row) as cursor:
        report |= cursor.execute(_SQL["stores"]).fetchall()[0]
        if kind in {"hours", "archive"}:
            report |= cursor.execute(_SQL["hours"]).fetchall()[0]
    if kind != "polls" and (found := _find_all_soon(conn)):
        report["diagnostics"] = [{**vars(one), "severity": one.severity} for one in found]
    if has_polls and (newest := _find_newest_poll(conn, ids)):
        ((silent,),) = conn.execute(_SQL["stores_silent"], {"newest": newest})
        report |= {"newest_poll": newest.isoformat(), "stores_silent_24h": silent}
        report |= sample_polls(conn, newest)
    return report


def _find_all_soon(conn: psycopg.Connection) -> Sequence[DataFinding]:
    """Return what the diagnostics find, or nothing if they would hold up the end of the import."""
    with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled), conn.transaction():
        lock_timeout, statement_timeout, *_ = conn.execute(_SQL["limit_diagnostics"]).fetchall()[0]
        found = find_all(conn)
        conn.execute(_SQL["unlimit_diagnostics"], [lock_timeout, statement_timeout])
        return found
    return ()


def _gather_remarks(conn: psycopg.Connection, archive_id: UUID) -> dict[str, Any]:
    """Return the remarks on the members of an archive. Each note and store names its member."""
    found: dict[str, Any] = {}
    for source, quality in conn.execute(_SQL["member_quality"], {"id": archive_id}):
        for note in quality.get("notes", ()):
            found.setdefault("notes", []).append(f"{source}: {note}")
        if quality.get("encoding") == "cp1252":
            found.setdefault("notes", []).append(f"{source}: {READ_AS_CP1252}")
        for name, most in LISTS.items():
            if name in quality:
                found[name] = found.get(name, 0) + quality[name]
                listed = [{**store, "source": source} for store in quality[f"{name}_list"]]
                found[f"{name}_list"] = [*found.get(f"{name}_list", ()), *listed][:most]
    return found


def _find_newest_poll(conn: psycopg.Connection, import_ids: Sequence[UUID]) -> datetime | None:
    ((changed,),) = conn.execute(_SQL["newest_change"], {"ids": import_ids})
    ((latest,),) = conn.execute(_SQL["latest_poll"])
    newest: datetime | None = changed or latest
    return newest
