"""Reads what the rows of a polls table say besides a status: the columns `reason`, `event` and `until`, which are optional."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.ingest.parse.date_formats import DateFormat
from services.ingest.parse.instants import parse_instant
from services.ingest.parse.rows import Rows
from shared.reason_words import fold_reason

_EVENT, _REASON_SHIFT = 2, 2
# Words in `event`, in lower case.
EVENT_WORDS: Final[Mapping[str, bool]] = {
    "": False, "no": False, "false": False, "0": False, "look": False,
    "yes": True, "true": True, "1": True, "event": True,
}  # fmt: skip
_NO_UNTIL: Final = -1
# Of the event that ends another: an event without a reason. Plus 1 if it is active.
END_CODE: Final = _EVENT


@dataclass(frozen=True)
class NoteReading:
    """How notes are read: the numbers of the words for reasons, and whether an instant without a zone is UTC.

    A change may have ended at `latest_us` at the latest, in microseconds since 1970. Ends have the `date_format` of the
    timestamps, if one is given.
    """

    words: Mapping[str, int] = field(default_factory=dict)
    latest_us: int = 0
    assume_utc: bool = False
    date_format: str = ""


@dataclass(frozen=True)
class NoteColumns:
    """What each row says: whether it is an event, the number of its reason or 0, and when its state ended or -1."""

    event: NDArray[np.bool_]
    reason: NDArray[np.int16]
    until_us: NDArray[np.int64]

    def pick(self, kept: NDArray[np.bool_]) -> Self:
        """Return the rows under a mask."""
        return type(self)(self.event[kept], self.reason[kept], self.until_us[kept])

    @property
    def ended(self) -> NDArray[np.int64]:
        """The indexes of the rows that also say when their state ended."""
        return np.flatnonzero(self.until_us != _NO_UNTIL)

    def codes(self, active: NDArray[np.bool_]) -> NDArray[np.int16]:
        """Return a note per row as `poll_note` has it. Of a row that says nothing, it is less than 2."""
        return encode_notes(self.event, self.reason) + active


def encode_notes(event: NDArray[np.bool_], reason: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the codes of notes that came with the status inactive; those of active ones are larger by 1."""
    return ((reason << _REASON_SHIFT) | (event * _EVENT)).astype(np.int16)


def parse_notes(
    rows: Rows, at_us: NDArray[np.int64], faults: dict[int, str], reading: NoteReading
) -> NoteColumns | None:
    """Return what the rows say, or None if the table has none of the columns. Add invalid rows to `faults`."""
    columns = {name: place for place, name in rows.layout.optional}
    if rows.layout.kind != "polls" or not columns:
        return None
    number = len(at_us)
    found = NoteColumns(
        np.zeros(number, np.bool_), np.zeros(number, np.int16), np.full(number, _NO_UNTIL, np.int64)
    )
    for row, text in _filled(rows, columns.get("reason")):
        reason = reading.words.get(fold_reason(text))
        if reason is None:
            faults.setdefault(row, "unknown_reason")
        else:
            found.reason[row] = reason
    for row, text in _filled(rows, columns.get("event")):
        is_event = EVENT_WORDS.get(text.strip(" ").lower())
        if is_event is None:
            faults.setdefault(row, "event")
        else:
            found.event[row] = is_event
    ended = _filled(rows, columns.get("until"))
    for (row, _), end in zip(ended, _parse_ends([text for _, text in ended], reading), strict=True):
        until = _check_end(end, bool(found.event[row]), int(at_us[row]), reading)
        if isinstance(until, str):
            faults.setdefault(row, until)
        else:
            found.until_us[row] = until
    return found


def find_zoneless(rows: Rows, reading: NoteReading) -> Sequence[int]:
    """Return the rows whose end names no time zone, and is read as UTC."""
    if not reading.assume_utc or rows.layout.kind != "polls":
        return ()
    ends = _filled(rows, {name: place for place, name in rows.layout.optional}.get("until"))
    if reading.date_format:
        return () if DateFormat.parse(reading.date_format).names_zone else [row for row, _ in ends]
    return [row for row, text in ends if parse_instant(text) == "tz_missing"]


def parse_until(text: str, is_event: bool, at_us: int, reading: NoteReading) -> int | str:  # noqa: FBT001
    """Return the instant at which the state of an event ended, or the reason to reject it."""
    return _check_end(_parse_end(text, reading), is_event, at_us, reading)


def _check_end(end: int | str, is_event: bool, at_us: int, reading: NoteReading) -> int | str:  # noqa: FBT001
    if not is_event:
        return "until_of_look"
    if isinstance(end, str):
        return "until"
    return end if at_us < end <= reading.latest_us else "until_order"


def _parse_ends(texts: Sequence[str], reading: NoteReading) -> Sequence[int | str]:
    if not reading.date_format or not texts:
        return [_parse_end(text, reading) for text in texts]
    date_format = DateFormat.parse(reading.date_format)
    if not date_format.names_zone and not reading.assume_utc:
        return ["tz_missing"] * len(texts)
    found = date_format.decode(pl.Series(texts, dtype=pl.String))
    return [found.faults.get(place, at_us) for place, at_us in enumerate(found.at_us.tolist())]


def _parse_end(text: str, reading: NoteReading) -> int | str:
    parsed = parse_instant(text)
    if parsed == "tz_missing" and reading.assume_utc:
        return parse_instant(f"{text.strip(' ')}Z")
    return parsed


def _filled(rows: Rows, column: int | None) -> Sequence[tuple[int, str]]:
    """Return the rows with a value in a column, and the value."""
    if column is None:
        return ()
    filled = np.flatnonzero(rows.starts[column] < rows.ends[column]).tolist()
    values = ((row, rows.decode_field(column, row)) for row in filled)
    return [(row, text) for row, text in values if text.strip(" ")]
