"""Make all batches of a report read the same committed polls, hours and zones.

Each batch records the ledger number of its snapshot, `read_seq`. When all batches are done, those that missed a change
that another batch may have seen are stale and run again, for a limited number of rounds. After that the worker that
finishes the report computes them in one snapshot of its own, so no import can starve the report.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import psycopg

from shared.clock import from_us, to_us
from shared.db.queries import queries
from shared.inputs.data_range import DataRange
from shared.reports.batch import ONLY_A_PART, Batch, BatchResult
from shared.reports.failed_stores import record_failed_stores
from shared.reports.formats import FileKind
from shared.reports.model import FinaliseLease, JobKind
from shared.reports.needs import measured_windows, needs_outages
from shared.storage import StoredObject
from shared.uptime.policy import POLICIES, every_poll_us, history_us, later_us, outage_history_us
from shared.uptime.tzdata_release import tzdata_version
from shared.uptime.window import longest_reach_us, parse_windows

MAX_ROUNDS = 3
_SQL = queries("reports")


class _ReportFields(NamedTuple):
    """The fields of a `Batch` that all batches of a report share."""

    as_of: datetime
    policy: str
    detail: bool
    windows: Sequence[str]
    accepted_seq: int
    tzdata_version: str | None
    files: Sequence[FileKind]
    pinned_cut: int | None
    kind: JobKind
    first_day: date | None
    last_day: date | None
    exclude_reasons: Sequence[str]


class _StaleBatch(NamedTuple):
    """A batch that missed a change, and how often it has run again."""

    round_no: int
    batch_no: int
    first_id: str | None
    last_id: str | None
    stores: int
    store_keys: Sequence[int] | None


class Repeats(NamedTuple):
    """Batches of a report to compute again in one snapshot, each listed for each reason.

    `stale`: missed a change. `other_tzdata`: computed with another time zone database than this process has.
    `without_parts`: a worker of the previous release did not write the part of a further file.
    """

    stale: Sequence[Batch]
    other_tzdata: Sequence[Batch]
    without_parts: Sequence[Batch]


def data_range(
    as_of: datetime,
    policy: str,
    windows: Sequence[str],
    *,
    finds_outages: bool = False,
    excludes_reasons: bool = False,
) -> DataRange:
    """Return which polls a report needs. Whether an outage began before its window can depend on older ones.

    Where it ends is seen from `as_of`. Without outages, polls long after the last window's end change nothing. With excluded
    reasons, the last measured time before a window can lie long before it, so outages need every one of the older polls.
    """
    rules, parsed, as_of_us = POLICIES[policy], parse_windows(windows), to_us(as_of)
    reach = timedelta(microseconds=longest_reach_us(parsed, as_of_us))
    oldest_us = outage_history_us(rules) if finds_outages else history_us(rules)
    oldest, every = (
        as_of - reach - timedelta(microseconds=before_us) for before_us in (oldest_us, every_poll_us(rules))
    )
    if finds_outages and excludes_reasons:
        every = oldest
    ended_us = max(window.ends_by_us(as_of_us) for window in parsed)
    last_us = as_of_us if finds_outages else min(as_of_us, ended_us + later_us(rules))
    return DataRange(oldest, every, from_us(last_us))


def requeue_stale_batches(conn: psycopg.Connection, batch: Batch) -> list[int]:
    """Requeue the stale batches of a batch's report; return their numbers. None are requeued once the rounds are used up.

    The caller's transaction must hold the lock on the report's row.
    """
    stale = _find_stale(conn, batch.report_id, batch, None)
    if not stale or max(each.round_no for each in stale) >= MAX_ROUNDS:
        return []
    again = [each.batch_no for each in stale]
    conn.execute(_SQL["send_again"], {"report_id": batch.report_id, "batch_nos": again})
    return again


def find_repeats(conn: psycopg.Connection, report_id: UUID, until: int | None = None) -> Repeats:
    """Return the batches of a report that cannot stay as they are. `until`: as in `_find_stale`."""
    row = conn.execute(_SQL["report_fields"], {"report_id": report_id}).fetchone()
    if row is None:
        return Repeats((), (), ())
    fields = _ReportFields(*row)
    asked = {"report_id": report_id, "tzdata_version": tzdata_version()}
    found = (
        [row[1:] for row in _find_stale(conn, report_id, fields, until)],
        conn.execute(_SQL["other_tzdata"], asked).fetchall(),
        conn.execute(_SQL["without_parts"], asked).fetchall(),
    )
    return Repeats(*([Batch(report_id, *row, **fields._asdict()) for row in rows] for rows in found))


def replace_part(
    conn: psycopg.Connection,
    lease: FinaliseLease,
    batch_no: int,
    part: StoredObject,
    *,
    read_seq: int,
    result: BatchResult = ONLY_A_PART,
) -> bool:
    """Replace the part of a batch. Return False if the lease on the finalisation was lost."""
    replaced = conn.execute(
        _SQL["replace_part"],
        {
            "report_id": lease.report_id,
            "attempt": lease.attempt,
            "batch_no": batch_no,
            "part": part.key,
            "size_bytes": part.size_bytes,
            "sha256": part.sha256,
            "read_seq": read_seq,
            "tzdata_version": tzdata_version(),
            **result.as_row(),
        },
    )
    if replaced.rowcount == 1:
        record_failed_stores(conn, lease.report_id, batch_no, result.failed)
    return replaced.rowcount == 1


def _find_stale(
    conn: psycopg.Connection, report_id: UUID, fields: _ReportFields | Batch, until: int | None
) -> list[_StaleBatch]:
    """Return the batches that missed a change which a reader at ledger number `until` sees.

    None: which any batch of the report has seen.
    """
    finds_outages = needs_outages(fields.files, detail=fields.detail)
    windows = measured_windows(fields.windows, fields.files)
    needed = data_range(fields.as_of, fields.policy, windows, finds_outages=finds_outages)
    rows = conn.execute(
        _SQL["stale_batches"],
        {
            "report_id": report_id,
            "until": until,
            "from_time": needed.from_time,
            "to_time": needed.to_time,
            "by_labels": "summary" in fields.files,
        },
    )
    return [_StaleBatch(*row) for row in rows]
