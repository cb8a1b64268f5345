"""Reads single values of a payload by the rules for files: instants also as numbers, texts also from numbers and booleans."""

import math
import re

from services.ingest.hooks.mapping import UNIT_US, HookMapping
from services.ingest.parse.instants import END_US, FIRST_US, parse_instant
from shared.json_numbers import WrittenFloat

_NUMBER = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?", re.ASCII)
_MOST_DIGITS = 1 << 63


def as_text(value: object) -> str | None:
    """Return a text, a number as it is written, or a boolean as text; None for anything else."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case WrittenFloat():
            return value.text
    return None


def read_instant(value: object, mapping: HookMapping) -> int | str:
    """Return microseconds since 1970, or the reason to reject."""
    if isinstance(value, str) and mapping.unit and _NUMBER.fullmatch(value):
        value = float(value) if "." in value else int(value)
    match value:
        case str():
            found = parse_instant(value)
            if found == "tz_missing" and mapping.assume_utc:
                return parse_instant(f"{value.rstrip(' ')}Z")
            return found
        case bool():
            return "timestamp"
        case int() | float() if mapping.unit and abs(value) < _MOST_DIGITS and math.isfinite(value):
            return _check_range(round(value * UNIT_US[mapping.unit]))
    return "timestamp"


def _check_range(at_us: int) -> int | str:
    return at_us if FIRST_US <= at_us < END_US else "timestamp_range"
