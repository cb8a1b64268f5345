"""Loads opening hours and time zones: valid rows are staged chunk by chunk and applied at once at the end.

Hours: the file replaces the hours of every store it names. A row that is already there, or that the file has had
before, is a duplicate, any other accepted. Zones: the zone of a store that had none is accepted, the same zone a
duplicate, another one corrected; of several rows for one store each is compared with the one before, the last wins.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from services.ingest.parse.chunks import Chunk
from services.ingest.parse.header import Kind, Layout
from services.ingest.parse.polls import checked_store_ids
from services.ingest.parse.reasons import Reject
from services.ingest.parse.rows import split_rows
from services.ingest.write.ledger import Counts, ImportLedger, Stretch
from services.ingest.write.store_keys import add_stores
from shared.db.queries import queries
from shared.zone_names import NAMED_ZONES

Fields = tuple[object, ...]
_SQL = queries("ingest")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_DAY = re.compile(r"[0-6]", re.ASCII)


@dataclass(frozen=True)
class LocalHours:
    """The valid rows of one chunk, (store_id, …) as they are staged, and its rejects."""

    chunk: Chunk
    valid: Sequence[Fields]
    rejects: Sequence[Reject]

    @property
    def rows_read(self) -> int:
        return len(self.valid) + len(self.rejects)


def parse_local_hours(chunk: Chunk, layout: Layout) -> LocalHours:
    """Validate one chunk of kind `hours` or `timezones`."""
    check: Callable[..., Fields | str] = parse_hours if layout.kind == "hours" else parse_timezone
    rows = split_rows(chunk, layout)
    faults: dict[int, str] = {}
    ids = checked_store_ids(rows, faults)
    columns = [rows.strings(column) for column in range(1, len(layout.columns))]
    valid: list[Fields] = []
    for row, (store_id, *fields) in enumerate(zip(ids, *columns, strict=True)):
        parsed = faults.get(row) or check(*fields)
        if isinstance(parsed, str):
            faults[row] = parsed
        else:
            valid.append((store_id, *parsed))
    rejects = [*rows.rejects, *(rows.reject(row, reason) for row, reason in faults.items())]
    return LocalHours(chunk, valid, sorted(rejects, key=lambda reject: reject.line))


class LocalHoursWriter:
    """Writes the chunks of one import, in order."""

    def __init__(self, conn: psycopg.Connection, ledger: ImportLedger, kind: Kind) -> None:
        self._conn = conn
        self._ledger = ledger
        self._kind = kind

    def write(self, hours: LocalHours) -> None:
        """Stage the valid rows of one chunk and commit its rejects."""
        with self._conn.transaction(), self._conn.cursor() as cursor:
            with cursor.copy(_SQL[f"stage_{self._kind}"]) as copy:
                for values in hours.valid:
                    copy.write_row((self._ledger.import_id, *values))
            self._ledger.reject(hours.rejects)
            stretch = Stretch(hours.chunk.first_byte, hours.chunk.end_byte)
            self._ledger.advance(stretch, Counts(rejected=len(hours.rejects)), changed=False)

    def finish(self, end_byte: int) -> None:
        """Commit all that is staged as one change; a second time nothing is."""
        import_id = {"id": self._ledger.import_id}
        with self._conn.transaction():
            if self._kind == "hours":
                self._prepare_hours()
            self._ledger.lock_writers()
            ids = [store_id for (store_id,) in self._conn.execute(_SQL["staged_ids"], import_id)]
            if not ids:
                return
            add_stores(self._conn, ids)
            ((*counts, changed),) = self._conn.execute(_SQL[f"apply_{self._kind}"], import_id)
            self._conn.execute(_SQL["drop_staged"], import_id)
            self._ledger.advance(Stretch(end_byte, end_byte), Counts(*counts), changed=changed)

    def _prepare_hours(self) -> None:
        """Do what needs no lock: distinct rows, and statistics that let the planner see how many there are."""
        self._conn.execute(_SQL["create_wanted_hours"])
        self._conn.execute(_SQL["prepare_hours"], {"id": self._ledger.import_id})
        self._conn.execute(_SQL["analyze_wanted_hours"])


def parse_hours(day: str, opens: str, closes: str) -> Fields | str:
    """Day 0 to 6 and two whole seconds of the local day, or a reason."""
    if not _DAY.fullmatch(day.strip(" ")):
        return "day"
    seconds = [_seconds_of_day(text) for text in (opens, closes)]
    return "time" if None in seconds else (int(day), *seconds)


def parse_timezone(name: str) -> Fields | str:
    """The name, or a reason."""
    name = name.strip(" ")
    return (name,) if name in NAMED_ZONES else "timezone"


def _seconds_of_day(text: str) -> int | None:
    match = _TIME.fullmatch(text.strip(" "))
    if match is None:
        return None
    hours, minutes, seconds = match.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)
