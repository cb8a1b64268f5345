"""What a message says about a report: its terms, the share of time up in each window, and its files."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from services.scheduler.channels.mail import Attachment
from shared.db.queries import queries
from shared.errors import ObjectLost
from shared.reports.formats import CONTENT_TYPES
from shared.reports.model import FileOfReport
from shared.storage import Storage

MAX_ATTACHED_BYTES: Final = 5_000_000
# A larger report is not summed up.
_MAX_READ_BYTES: Final = 32 << 20
_SQL = queries("channels")
_UPTIME = re.compile(r"uptime_(.+)")
Facts = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ReportedFiles:
    """A report as a message tells it, and its files."""

    id: UUID
    state: str
    as_of: datetime
    policy: str
    error: dict[str, Any] | None
    stores: int
    stores_failed: int
    files: Sequence[FileOfReport] = ()


def read_report(conn: psycopg.Connection, report_id: UUID) -> ReportedFiles | None:
    """Return the report, or None if it was deleted."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SQL["read_report"], {"id": report_id}).fetchone()
    if row is None:
        return None
    with conn.cursor(row_factory=class_row(FileOfReport)) as files:
        found = files.execute(_SQL["read_report_files"], {"id": report_id}).fetchall()
    return ReportedFiles(**row, files=found if row["state"] == "succeeded" else ())


def summarise(report: ReportedFiles, storage: Storage) -> Facts:
    """Return the summary. Raises `StorageUnavailable`; a file that is lost is left out."""
    stores = f"{report.stores:,}" + (
        f", {report.stores_failed:,} without a row" if report.stores_failed else ""
    )
    facts = [
        ("As of", f"{report.as_of:%Y-%m-%d %H:%M:%S} UTC"),
        ("Policy", report.policy),
        ("Stores", stores),
    ]
    if report.state == "failed":
        return [*facts, ("Error", str((report.error or {}).get("detail", "unknown")))]
    file = next((each for each in report.files if each.name == "report.csv"), None)
    if file is not None and file.size_bytes <= _MAX_READ_BYTES:
        with suppress(ObjectLost):
            text = b"".join(storage.read(file.stored)).decode("utf-8-sig")
            facts += sum_up(csv.reader(io.StringIO(text, newline="")))
    return [
        *facts,
        *((f"File {each.name}", f"{each.size_bytes:,} bytes, {each.rows:,} rows") for each in report.files),
    ]


def sum_up(lines: Iterable[Sequence[str]]) -> Facts:
    """Return the share of open time up for each window of a report's CSV, and how many stores were down in it."""
    header, *rows = lines
    found = []
    for place, name in enumerate(header):
        match = _UPTIME.fullmatch(name)
        down_name = f"downtime_{match[1]}" if match else ""
        if match is None or down_name not in header:
            continue
        other = header.index(down_name)
        up = sum(float(row[place] or 0) for row in rows)
        downs = [float(row[other] or 0) for row in rows]
        share = f"{100 * up / total:.2f} % up" if (total := up + sum(downs)) else "no known open time"
        found.append((_words(match[1]), f"{share}, {sum(down > 0 for down in downs):,} stores were down"))
    return found


def read_attachments(report: ReportedFiles, storage: Storage) -> Sequence[Attachment]:
    """Return the report's files if they are at most `MAX_ATTACHED_BYTES` together, and none of them is lost."""
    if sum(file.size_bytes for file in report.files) > MAX_ATTACHED_BYTES:
        return ()
    with suppress(ObjectLost):
        return [
            Attachment(file.name, CONTENT_TYPES[file.format], b"".join(storage.read(file.stored)))
            for file in report.files
        ]
    return ()


def _words(window: str) -> str:
    text = window.replace("_", " ")
    return text[0].upper() + text[1:]
