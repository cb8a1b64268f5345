"""Parses timestamps of polls: one text by the full grammar, or a whole column in its usual forms.

`decode_instants` agrees with `parse_instant` on every row that it decodes, and leaves all other rows to it.
"""

import re
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.byte_words import (
    Words,
    byte_at,
    join_eight_digits,
    join_pairs,
    low_bytes,
    match_digits,
    word_of,
    words_at_every_byte,
)
from services.ingest.parse.dates import FIRST_YEAR, LAST_YEAR
from shared.clock import to_us

_MINUTE_US, _SECOND_US = 60_000_000, 1_000_000
_YEAR_MONTHS, _DAY_H, _HOUR_MIN, _MINUTE_S = 12, 24, 60, 60
FRACTION_DIGITS = 6  # more are truncated
_GRAMMAR = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?: ?(?:(UTC|GMT|Z)|([+-])(\d\d):?(\d\d)?))?",
    re.ASCII | re.IGNORECASE,
)
_FINER_THAN_US = re.compile(r"\.\d{7}", re.ASCII)
_WHOLE_SECONDS = len("2024-10-14 23:55:18")
PADDING = bytes(32)  # what `decode_instants` needs after the text
_SUFFIXES = (b" UTC", b"Z", b"+00:00")
_MONTHS = np.arange(f"{FIRST_YEAR}-01", f"{LAST_YEAR + 1}-02", dtype="datetime64[M]").astype("datetime64[D]")
MONTH_STARTS = _MONTHS.astype(np.int64)  # days since 1970
MONTH_DAYS = np.diff(MONTH_STARTS)
_KEPT = np.array([int(low_bytes(kept)) for kept in range(FRACTION_DIGITS + 1)], np.uint64)


def parse_instant(text: str) -> int | str:
    """Return microseconds since 1970, or the reason to reject: `timestamp`, `tz_missing` or `timestamp_range`."""
    match = _GRAMMAR.fullmatch(text.strip(" "))
    if match is None:
        return "timestamp"
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, utc, sign, offset_hours, offset_minutes = match.groups()[6:]
    if utc is None and sign is None:
        return "tz_missing"
    offset_h, offset_min = int(offset_hours or 0), int(offset_minutes or 0)
    if offset_h >= _DAY_H or offset_min >= _HOUR_MIN:
        return "timestamp"
    try:
        local = datetime(max(year, 1), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return "timestamp"
    offset_us = (offset_h * 60 + offset_min) * _MINUTE_US
    instant = to_us(local) + int((fraction or "0")[:FRACTION_DIGITS].ljust(FRACTION_DIGITS, "0"))
    instant += offset_us if sign == "-" else -offset_us
    return instant if year >= 1 and FIRST_US <= instant < END_US else "timestamp_range"


def is_cut(text: str) -> bool:
    """Return whether a valid instant has more than six fraction digits, so that some were cut."""
    return _FINER_THAN_US.search(text) is not None


FIRST_US = to_us(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))
END_US = to_us(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC))


def decode_instants(
    text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return microseconds since 1970 of the fields `text[starts:ends]`, and which fields were decoded.

    Decoded are `2024-10-14 23:55:18` (or with a T), 0 to 6 fraction digits, and ` UTC`, `Z` or `+00:00`. A field that
    was not decoded may still be valid. `text` must end with `PADDING` or as many other bytes.
    """
    at_us, ok, has_zone = decode_times(text, starts, ends)
    return at_us, ok & has_zone


def decode_times(
    text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Like `decode_instants`, but also decode fields without a zone, as UTC. The third value: which have a zone."""
    view = words_at_every_byte(text)
    date, date_ok = match_digits(view[starts], b"0000-00-")
    clock = view[starts + 8]
    separator = byte_at(clock, 2)
    clock, clock_ok = match_digits(clock & ~np.uint64(0xFF0000), b"00\x0000:00")
    seconds, seconds_ok = match_digits(view[starts + 16], b":00")
    suffix_bytes = _count_suffix_bytes(view, ends)
    fraction_bytes = ends - starts - _WHOLE_SECONDS - suffix_bytes
    fraction_us, fraction_ok = _decode_fraction(view[starts + _WHOLE_SECONDS], fraction_bytes)

    date, clock, seconds = join_pairs(date), join_pairs(clock), join_pairs(seconds)
    month_of_year = byte_at(date, 5)
    month = (byte_at(date, 0) * 100 + byte_at(date, 2) - FIRST_YEAR) * _YEAR_MONTHS + month_of_year - 1
    ok = date_ok & clock_ok & seconds_ok & fraction_ok
    ok &= (separator == ord(" ")) | (separator == ord("T"))
    ok &= (month_of_year >= 1) & (month_of_year <= _YEAR_MONTHS) & (month >= 0) & (month < len(MONTH_DAYS))
    month[~ok] = 0
    day, hour, minute, second = byte_at(clock, 0), byte_at(clock, 3), byte_at(clock, 6), byte_at(seconds, 1)
    ok &= (day >= 1) & (day <= MONTH_DAYS[month]) & (hour < _DAY_H)
    ok &= (minute < _HOUR_MIN) & (second < _MINUTE_S)
    whole_s = (((MONTH_STARTS[month] + day - 1) * _DAY_H + hour) * _HOUR_MIN + minute) * _MINUTE_S + second
    return whole_s * _SECOND_US + fraction_us, ok, suffix_bytes > 0


def _count_suffix_bytes(view: Words, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the length of the zone at the end of each field, or 0 if it is not one of the usual ones."""
    tails = view[np.maximum(ends - 8, 0)]
    found = np.zeros(len(ends), np.int64)
    for suffix in _SUFFIXES:
        found[tails >> np.uint64(8 * (8 - len(suffix))) == word_of(suffix)] = len(suffix)
    return found


def _decode_fraction(tails: Words, length: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the microseconds of `.f` to `.ffffff` or of no fraction, and whether the field has one of these forms."""
    dot = byte_at(tails, 0) == ord(".")
    ok = (length == 0) | (dot & (length > 1) & (length <= 1 + FRACTION_DIGITS))
    kept = _KEPT[np.where(ok, np.maximum(length - 1, 0), 0)]
    padded = ((tails >> np.uint64(8)) & kept) | (word_of(b"00000000") & ~kept)
    found, digits_ok = match_digits(padded, b"00000000")
    return join_eight_digits(found) // 100, ok & digits_ok
