"""Validates opening hours and time zones: a single value, or the rows of a chunk."""

import re
from collections.abc import Callable

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.header import Layout
from services.ingest.parse.parsed import ParsedLocalHours, StagedFields
from services.ingest.parse.rows import split_rows
from services.ingest.parse.store_ids import check_store_ids
from shared.zone_names import NAMED_ZONES

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_DAY = re.compile(r"[0-6]", re.ASCII)


def parse_local_hours(chunk: Chunk, layout: Layout) -> ParsedLocalHours:
    """Validate one chunk of kind `hours` or `timezones`."""
    parse_fields: Callable[..., StagedFields | str] = (
        parse_interval if layout.kind == "hours" else parse_timezone
    )
    rows = split_rows(chunk, layout)
    faults: dict[int, str] = {}
    ids = check_store_ids(rows, faults)
    columns = [rows.decode_column(column) for column in range(1, len(layout.columns))]
    valid: list[StagedFields] = []
    for row, (store_id, *fields) in enumerate(zip(ids, *columns, strict=True)):
        parsed = faults.get(row) or parse_fields(*fields)
        if isinstance(parsed, str):
            faults[row] = parsed
        else:
            valid.append((store_id, *parsed))
    return ParsedLocalHours(chunk, valid, rows.collect_rejects(faults))


def parse_interval(day: str, opens: str, closes: str) -> StagedFields | str:
    """Return the day (0 to 6) and the opening and closing second of the local day, or the reason to reject."""
    if not _DAY.fullmatch(day.strip(" ")):
        return "day"
    seconds = [_seconds_of_day(text) for text in (opens, closes)]
    return "time" if None in seconds else (int(day), *seconds)


def parse_timezone(name: str) -> StagedFields | str:
    """Return the name of the time zone, or the reason to reject it."""
    name = name.strip(" ")
    return (name,) if name in NAMED_ZONES else "timezone"


def _seconds_of_day(text: str) -> int | None:
    match = _TIME.fullmatch(text.strip(" "))
    if match is None:
        return None
    hours, minutes, seconds = match.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)
