"""Write the rows of a summary as CSV: shares rounded down, hours rounded half up, differences of what is shown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from services.worker.columns import SUMMARY_COLUMNS
from services.worker.render import quote
from services.worker.summary.sections import KEYS, TIMES
from shared.formulas import inert
from shared.uptime.policy import HOUR_US

_PER_HOUR: Final = 10_000
_HOUR_DIGITS: Final = 4
_PPM: Final = 1_000_000
_SHARE_DIGITS: Final = 6
# Sections whose rows are times of day, not stores.
_OF_TIME: Final = ("weekday", "hour")


def render_lines(rows: Sequence[Mapping[str, Any]], windows_with_previous: frozenset[str]) -> bytes:
    """Render the file. Columns about the window before are empty for windows that have none."""
    lines = [",".join(column.name for column in SUMMARY_COLUMNS)]
    for row in rows:
        values = dict(_describe(row, has_previous=row["window"] in windows_with_previous))
        lines.append(",".join(values.get(column.name, "") for column in SUMMARY_COLUMNS))
    return "".join(f"{line}\n" for line in lines).encode()


def _describe(row: Mapping[str, Any], *, has_previous: bool) -> Iterator[tuple[str, str]]:
    """Yield the columns that have a value, as text."""
    for name in KEYS:
        yield name, quote(inert(row[name]))
    befores = ("", "previous_") if has_previous else ("",)
    if row["section"] not in _OF_TIME:
        for before in befores:
            yield f"{before}stores", str(row[f"{before}stores"])
    shares = [_share_ppm(row[f"{before}up_us"], row[f"{before}down_us"]) for before in befores]
    for before, share in zip(befores, shares, strict=True):
        if share is not None:
            yield f"{before}availability", _decimals(share, _SHARE_DIGITS)
    known = [share for share in shares if share is not None]
    if len(known) == len(("", "previous_")):
        yield "availability_change", _decimals(known[0] - known[1], _SHARE_DIGITS)
    for time in TIMES:
        hours = [_round_hours(row[f"{before}{time}"]) for before in befores]
        name = time.replace("_us", "_h")
        for before, number in zip(befores, hours, strict=True):
            yield f"{before}{name}", _decimals(number, _HOUR_DIGITS)
        if name == "down_h" and has_previous:
            yield f"{name}_change", _decimals(hours[0] - hours[1], _HOUR_DIGITS)


def _share_ppm(up_us: int, down_us: int) -> int | None:
    known_us = up_us + down_us
    return up_us * _PPM // known_us if known_us else None


def _round_hours(us: int) -> int:
    """Return ten-thousandths of an hour."""
    return (2 * us * _PER_HOUR + HOUR_US) // (2 * HOUR_US)


def _decimals(number: int, digits: int) -> str:
    text = f"{abs(number):0{digits + 1}}"
    return f"{'-' * (number < 0)}{text[:-digits]}.{text[-digits:]}"
