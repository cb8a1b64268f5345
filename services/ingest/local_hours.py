"""Loads opening hours and time zones: valid rows wait in a temporary table and are applied at once at the end.

Hours: the file replaces the hours of every store it names. A row that is already there, or that the file has had
before, is a duplicate, any other accepted. Zones: the zone of a store that had none is accepted, the same zone a
duplicate, another one corrected; of several rows for one store each is compared with the one before, the last wins.
"""

import re
from collections.abc import Callable
from zoneinfo import available_timezones

import psycopg

from services.ingest.chunks import Chunk
from services.ingest.header import Layout
from services.ingest.ledger import Counts, ImportLedger, Stretch
from services.ingest.polls import checked_store_ids
from services.ingest.rows import split_rows
from services.ingest.store_keys import add_stores
from shared.db.queries import queries

Fields = tuple[object, ...]
_SQL = queries("ingest")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_DAY = re.compile(r"[0-6]", re.ASCII)
_KNOWN_TIMEZONES = frozenset(available_timezones())


class LocalHoursWriter:
    """Loads one file of kind `hours` or `timezones`: `stage` for each chunk, then `apply`."""

    def __init__(self, conn: psycopg.Connection, ledger: ImportLedger, layout: Layout) -> None:
        self._conn = conn
        self._ledger = ledger
        self._layout = layout
        self._check: Callable[..., Fields | str] = parse_hours if layout.kind == "hours" else parse_timezone
        conn.execute(_SQL[f"create_incoming_{layout.kind}"])

    def stage(self, chunk: Chunk) -> int:
        """Keep the valid rows of one chunk aside and commit its rejects; returns the rows read."""
        rows = split_rows(chunk, self._layout)
        faults: dict[int, str] = {}
        ids = checked_store_ids(rows, faults)
        columns = [rows.strings(column) for column in range(1, len(self._layout.columns))]
        valid: list[Fields] = []
        for row, (store_id, *fields) in enumerate(zip(ids, *columns, strict=True)):
            parsed = faults.get(row) or self._check(*fields)
            if isinstance(parsed, str):
                faults[row] = parsed
            else:
                valid.append((store_id, *parsed))
        rejects = [*rows.rejects, *(rows.reject(row, reason) for row, reason in faults.items())]
        with self._conn.transaction(), self._conn.cursor() as cursor:
            with cursor.copy(_SQL[f"copy_incoming_{self._layout.kind}"]) as copy:
                for values in valid:
                    copy.write_row(values)
            self._ledger.reject(rejects)
            self._ledger.count(Counts(rejected=len(rejects)))
        return rows.rows_read

    def apply(self, end_byte: int) -> None:
        """Commit all that was staged as one change."""
        kind = self._layout.kind
        with self._conn.transaction():
            self._ledger.lock_writers()
            ids = [store_id for (store_id,) in self._conn.execute(_SQL[f"incoming_{kind}_ids"])]
            add_stores(self._conn, ids)
            ((accepted, duplicate, corrected),) = self._conn.execute(_SQL[f"apply_{kind}"])
            self._conn.execute(_SQL[f"drop_incoming_{kind}"])
            self._ledger.count(Counts(accepted, duplicate, corrected))
            self._ledger.advance(Stretch(0, end_byte))


def parse_hours(day: str, opens: str, closes: str) -> Fields | str:
    """Day 0 to 6 and two whole seconds of the local day, or a reason."""
    if not _DAY.fullmatch(day.strip(" ")):
        return "day"
    seconds = [_seconds_of_day(text) for text in (opens, closes)]
    return "time" if None in seconds else (int(day), *seconds)


def parse_timezone(name: str) -> Fields | str:
    """The name, or a reason."""
    name = name.strip(" ")
    return (name,) if name in _KNOWN_TIMEZONES else "timezone"


def _seconds_of_day(text: str) -> int | None:
    match = _TIME.fullmatch(text.strip(" "))
    if match is None:
        return None
    hours, minutes, seconds = match.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)
