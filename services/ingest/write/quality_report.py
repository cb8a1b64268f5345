"""The quality report of an import: counts, and what a sample says about how its stores are polled.

It describes the tables once the import is in. Its cost does not grow with the number of polls.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from services.ingest.parse.encodings import READ_AS_CP1252
from services.ingest.quality_warnings import HOURS_FIGURES, describe_unread
from services.ingest.write.named_stores import NO_STORES, NamedStores
from services.ingest.write.quality_sample import sample_polls
from services.ingest.write.remarks import LISTS
from shared.db.queries import queries
from shared.diagnostics.find import find_in_stores
from shared.diagnostics.registry import DataFinding, keep_largest
from shared.diagnostics.week_rows import WeekFindings, look_at_weeks

_SQL, _REJECTS = queries("quality"), queries("rejects")


def read_quality(
    conn: psycopg.Connection, import_id: UUID, named: NamedStores = NO_STORES
) -> dict[str, object]:
    """Return the report by name. A value is null if there is nothing to divide by. `named`: the stores to diagnose.

    Any import: `rejects` by reason, `rejects_unlisted` (those that are only counted; absent if none), `assumed_utc` (timestamps without a zone that were read as UTC; absent if none),
    `duplicates`, `corrections`, `stores` (that were polled), `stores_without_hours` (of these; open 24x7),
    `stores_without_timezone` (of these) and `stores_never_polled` (all others).

    Any import but polls: `diagnostics`, what may be wrong with the hours, dates, lifetimes and closures of the stores that
    it names: each with its name, severity, number and first examples. Absent if nothing is, if a lock or a slow database
    delays them, or if another import of the delivery applied the rows. An archive has the largest of its members'.

    Hours add `hours_rows` (without a date, of the stores that the file names), `seams_snapped` (of these, closing 23:59:59
    or 23:59:00, read as 24:00) and `overlapping_hours` (of these, opening before an earlier row of the store closes). Only
    the import that applied the rows of a delivery has them. Polls add `newest_poll` (that the import changed; absent if it
    changed none), `newest_poll_of_all`, `stores_silent_24h` (polled before, but not in the 24 hours up to the newest
    poll of all) and the sample of `sample_polls` (up to the newest poll). The report of an archive covers its members.

    Hours and zones also have what `Remarks` saved before, if there is any: `notes` (texts), and `stores_unchanged` and
    `stores_shrunk` (numbers of stores), each with a list of the first stores. Any import has `look_alikes` and its list
    if there are any, `encoding` (`utf-8` or `cp1252`) unless its file is all ASCII, and `columns_not_read` if it has such.
    Store directories have `labels`, the columns that are labels, and `directory_columns`, those of zones and lifetimes.
    """
    ((kind, ids, duplicates, corrections, assumed_utc, has_polls),) = conn.execute(
        _SQL["subject"], {"id": import_id}
    )
    report: dict[str, object] = {
        **count_rejects(conn, ids),
        "duplicates": duplicates,
        "corrections": corrections,
    }
    if assumed_utc:
        report["assumed_utc"] = assumed_utc
    if kind == "archive":
        report |= _gather_remarks(conn, import_id)
    with conn.cursor(row_factory=dict_row) as cursor:
        report |= cursor.execute(_SQL["stores"]).fetchall()[0]
    if named.keys:
        report |= _describe_stores(conn, kind, named)
    return report | (_describe_polls(conn, ids) if has_polls else {})


def count_rejects(conn: psycopg.Connection, import_ids: Sequence[UUID]) -> dict[str, object]:
    """Return `rejects`: how many rows were rejected, by reason; and `rejects_unlisted`, those that are not listed, if any."""
    rows = conn.execute(_REJECTS["counts"], {"ids": list(import_ids)}).fetchall()
    unlisted = {reason: number for reason, _, number in rows if number}
    found: dict[str, object] = {"rejects": {reason: number for reason, number, _ in rows}}
    return found | ({"rejects_unlisted": unlisted} if unlisted else {})


def _describe_stores(conn: psycopg.Connection, kind: str, named: NamedStores) -> dict[str, object]:
    report: dict[str, object] = {}
    weeks = named.weeks
    if kind == "hours":
        weeks = weeks or look_at_weeks(conn, named.keys)
        counts = {
            "hours_rows": weeks.rows,
            "seams_snapped": weeks.seams,
            "overlapping_hours": weeks.overlapping,
        }
        report |= counts
    if found := _find_soon(conn, named.keys, weeks):
        report["diagnostics"] = _list_findings(found)
    return report


def _describe_polls(conn: psycopg.Connection, import_ids: Sequence[UUID]) -> dict[str, object]:
    ((newest_of_all,),) = conn.execute(_SQL["latest_poll"])
    if newest_of_all is None:
        return {}
    ((changed,),) = conn.execute(_SQL["newest_change"], {"ids": import_ids})
    newest: datetime = changed or newest_of_all
    own = {"newest_poll": changed.isoformat()} if changed else {}
    ((silent,),) = conn.execute(_SQL["stores_silent"], {"newest": newest_of_all})
    return {
        **own,
        "newest_poll_of_all": newest_of_all.isoformat(),
        "stores_silent_24h": silent,
        **sample_polls(conn, newest),
    }


def _list_findings(found: Iterable[DataFinding]) -> list[dict[str, object]]:
    return [{**vars(one), "severity": one.severity} for one in found]


def _find_soon(
    conn: psycopg.Connection, store_keys: Sequence[int], weeks: WeekFindings | None
) -> Sequence[DataFinding]:
    """Return what the diagnostics find, or nothing if they would hold up the end of the import."""
    with suppress(psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled), conn.transaction():
        lock_timeout, statement_timeout, *_ = conn.execute(_SQL["limit_diagnostics"]).fetchall()[0]
        found = find_in_stores(conn, store_keys, weeks)
        conn.execute(_SQL["unlimit_diagnostics"], [lock_timeout, statement_timeout])
        return found
    return ()


def _gather_remarks(conn: psycopg.Connection, archive_id: UUID) -> dict[str, Any]:
    """Return the remarks on the members of an archive. Each note and store names its member."""
    found: dict[str, Any] = {}
    findings: list[DataFinding] = []
    for source, quality in conn.execute(_SQL["member_quality"], {"id": archive_id}):
        for note in quality.get("notes", ()):
            found.setdefault("notes", []).append(f"{source}: {note}")
        if quality.get("encoding") == "cp1252":
            found.setdefault("notes", []).append(f"{source}: {READ_AS_CP1252}")
        if unread := quality.get("columns_not_read"):
            found.setdefault("notes", []).append(f"{source}: {describe_unread(unread)}")
        listed = quality.get("diagnostics", ())
        findings += [DataFinding(one["name"], one["count"], one["examples"]) for one in listed]
        for name in HOURS_FIGURES & quality.keys():
            found[name] = found.get(name, 0) + quality[name]
        for name, most in LISTS.items():
            if name in quality:
                found[name] = found.get(name, 0) + quality[name]
                listed = [{**store, "source": source} for store in quality[f"{name}_list"]]
                found[f"{name}_list"] = [*found.get(f"{name}_list", ()), *listed][:most]
    if findings:
        found["diagnostics"] = _list_findings(keep_largest(findings))
    return found
