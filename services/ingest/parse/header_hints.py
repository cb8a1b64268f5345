"""Says what probably has to be changed in a header that is not known."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from services.ingest.parse.column_names import LOOSE_SPELLINGS, SPELLINGS, fold_name
from services.ingest.parse.header_fields import SEPARATORS, read_names, split_header, strip_bom
from services.ingest.parse.instants import parse_instant
from services.ingest.parse.kinds import REQUIRED_COLUMNS, Kind
from services.ingest.parse.times_of_day import parse_opening
from shared.errors import BadInputFile
from shared.status_words import STATUSES, fold_status
from shared.texts import quoted

LOCAL_TIMES: Final = "Local times of polls are not read: write each instant in UTC, or with its offset, such as 2024-10-14 18:55:18-05:00"
_UNIT = re.compile(rb"\s*[(\[][^)\]]*[)\]]")
_DAY_COLUMN = re.compile(
    rb"(?<![a-z])(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?(?![a-z])", re.IGNORECASE
)
# Dates, and names of time zones.
_LIKE_VALUE: Final = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b|[A-Z][a-z]+/[A-Z][A-Za-z_]+$", re.ASCII)
_FEW_DAYS = 2
# Of two columns, one is too few to tell what a file is meant to be.
_FEWEST_COLUMNS = 2


def list_hints(line: bytes, kinds: Sequence[Kind], is_known: Callable[[bytes], bool]) -> Iterator[str]:
    """Yield what probably has to be changed in an unknown header."""
    text = strip_bom(line).lstrip()
    if text.startswith(b"#"):
        yield "Comments are not read: remove the lines above the header, and a # in front of it. "
        return
    if value := find_value(text):
        yield (
            f"The line looks like a row, as {quoted(value)} is not the name of a column: write the names of the columns into a"
            " line above it. "
        )
        return
    if text.count(b'"') % 2:
        yield "A quote is not closed in this line: write each name without a line break. "
    if _is_known_without_units(text, is_known):
        yield (
            "Remove the units in parentheses, and write values as they are read: days from 0 (Monday), times local to the"
            " store, timestamps in UTC. "
        )
    if len(_DAY_COLUMN.findall(text)) >= _FEW_DAYS:
        yield "Columns for single days are not read: write a row for each store and day. "
    for separator in SEPARATORS:
        folded = [fold_name(each) for each in split_header(text, separator)]
        names = set(read_names(folded, SPELLINGS | LOOSE_SPELLINGS))
        for kind in kinds:
            required = REQUIRED_COLUMNS[kind]
            missing = [name for name in required if name not in names]
            if len(missing) == 1 and len(required) > _FEWEST_COLUMNS:
                yield f"To be a file of {kind} it lacks {missing[0]}. "
                if kind == "polls" and any("local" in name for name in folded):
                    yield f"{LOCAL_TIMES}. "


def _is_known_without_units(line: bytes, is_known: Callable[[bytes], bool]) -> bool:
    plain = _UNIT.sub(b"", line)
    with suppress(BadInputFile):
        return plain != line and is_known(plain)
    return True  # it is known, and has another fault


def find_value(line: bytes) -> str | None:
    """Return a field that is a value, of a line without the name of any column: the line is a row and no header."""
    for separator in SEPARATORS:
        fields = split_header(line, separator) if separator.encode() in line else []
        values = [field for field in fields if _is_value(field)]
        if values and not any(read_names(list(map(fold_name, fields)), SPELLINGS | LOOSE_SPELLINGS)):
            return values[0]
    return None


def _is_value(field: str) -> bool:
    text = field.strip()
    is_time = parse_instant(text) != "timestamp" or parse_opening(text) is not None
    return is_time or fold_status(text) in STATUSES or _LIKE_VALUE.match(text) is not None
