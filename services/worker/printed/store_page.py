"""The page of one store as texts and pictures, in its local time. The template only places them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.worker.printed.figures import describe_figures
from services.worker.printed.store_sheet import SheetOutage, SheetTerms, StoreSheet
from shared.clock import to_us
from shared.inputs.store_terms import StoreAtCut
from shared.pictures.day_svg import day_svg
from shared.pictures.marks import ROW_HEIGHT
from shared.pictures.words import NO_VALUE, day_name, length, plain, share, short_moment
from shared.uptime.outages import End
from shared.uptime.store_terms import StoreClosure
from shared.uptime.window import Window

MOST_LABELS: Final = 12
_WIDTH_MM, _PAGE_MM = 130.0, 263.0
# Measured on the page: everything but rows of tables and days.
_HEAD_MM, _WINDOW_MM, _LINE_MM, _TITLES_MM = 32.0, 8.2, 5.6, 38.0
_FEWEST_LINES: Final = 3
_SHORT_ROW_MM, _TALL_ROW_MM, _ALL_ROWS_MM = 4.0, 7.5, 140.0
_LONG_ID, _ID_LINE, _ID_LINE_MM = 44, 130, 3.1  # a longer id is printed once more, in small lines
_ENDS: Final[Mapping[End, str]] = {
    End.UP: "up again",
    End.UNKNOWN: "no poll follows",
    End.ONGOING: "not over",
}


def describe_store(
    store: StoreAtCut, sheet: StoreSheet, terms: SheetTerms, name: str | None = None
) -> dict[str, Any]:
    """Return what the page of a store shows. `name`: what people call it."""
    days = max(1, len(sheet.days))
    row_mm = min(_TALL_ROW_MM, max(_SHORT_ROW_MM, _ALL_ROWS_MM / days))
    used_mm = _HEAD_MM + _TITLES_MM + _WINDOW_MM * len(terms.windows) + row_mm * days + _id_mm(store.store_id)
    room_mm = _PAGE_MM - used_mm
    lines = max(2 * _FEWEST_LINES, int(room_mm / _LINE_MM))
    closures = sheet.closures[: max(_FEWEST_LINES, lines // 3)]
    outages = _choose_longest(sheet.outages, max(_FEWEST_LINES, lines - len(closures)))
    times = [_describe_time(window_us, sheet.zone) for window_us in sheet.windows_us]
    return {
        "id": plain(store.store_id),
        "name": plain(name or ""),
        "zone": f"{sheet.zone.key}{'' if store.zone else ' (default)'}",
        "labels": _describe_labels(store.labels),
        "main": terms.windows[terms.main].name.replace("_", " "),
        "windows": describe_figures(terms.windows, sheet.figures, times),
        "row_mm": round(row_mm, 2),
        "days": _describe_days(sheet, round(_WIDTH_MM / row_mm * ROW_HEIGHT)),
        "days_left_out": sheet.days_left_out,
        "outages": [_describe_outage(outage, sheet.zone) for outage in outages],
        "outages_in_all": len(sheet.outages),
        "closures": [_describe_closure(closure, sheet.zone) for closure in closures],
        "closures_in_all": len(sheet.closures),
        "note": "",
    }


def describe_forgotten(
    store_id: str, windows: Sequence[Window], rows: list[dict[str, str]], name: str | None = None
) -> dict[str, Any]:
    """Return the page of a store whose polls are gone: the figures of the report's file, and no picture."""
    return {
        "id": plain(store_id),
        "name": plain(name or ""),
        "zone": "",
        "labels": [],
        "main": windows[0].name.replace("_", " "),
        "windows": rows,
        "row_mm": _TALL_ROW_MM,
        "days": [],
        "days_left_out": 0,
        "outages": [],
        "outages_in_all": 0,
        "closures": [],
        "closures_in_all": 0,
        "note": "Retention has removed polls that this report was made from, so its days cannot be drawn.",
    }


def _choose_longest(outages: Sequence[SheetOutage], most: int) -> Sequence[SheetOutage]:
    """Return the longest outages, in the order of their starts."""
    longest = sorted(outages, key=lambda one: -one.down_us)[:most]
    return sorted(longest, key=lambda one: one.started_at)


def _describe_labels(labels: Mapping[str, str]) -> list[str]:
    return [f"{plain(name)}={plain(value)}" for name, value in sorted(labels.items())[:MOST_LABELS]]


def _describe_time(window_us: tuple[int, int], zone: ZoneInfo) -> str:
    start_us, end_us = window_us
    return f"{short_moment(start_us, zone)} \u2192 {short_moment(end_us, zone)}"


def _id_mm(store_id: str) -> float:
    letters = len(plain(store_id))
    return 0.0 if letters <= _LONG_ID else (2 + letters / _ID_LINE) * _ID_LINE_MM


def _describe_days(sheet: StoreSheet, width: int) -> list[dict[str, str]]:
    described = []
    for row in sheet.days:
        up_us, down_us = row.total_us("up", "as_up"), row.total_us("down")
        note = "special hours" if row.has_special_hours else ""
        described.append(
            {
                "name": day_name(row.day),
                "note": note or row.odd_length,
                "svg": day_svg(row, width),
                "share": share(up_us, down_us),
                "down": length(down_us) if down_us else "",
            }
        )
    return described


def _describe_outage(outage: SheetOutage, zone: ZoneInfo) -> dict[str, str]:
    ended = _ENDS[outage.end] if outage.ended_at is None else short_moment(to_us(outage.ended_at), zone)
    return {
        "began": short_moment(to_us(outage.started_at), zone),
        "began_between": _between(outage.last_up_poll_at, outage.first_down_poll_at, zone),
        "ended": ended,
        "ended_between": _between(outage.last_down_poll_at, outage.first_up_poll_at, zone),
        "down": length(outage.down_us),
    }


def _between(first: datetime | None, last: datetime | None, zone: ZoneInfo) -> str:
    """Say which two polls bound an instant. A dash where there is none."""
    if first is None and last is None:
        return NO_VALUE
    ends = ("no poll" if each is None else short_moment(to_us(each), zone) for each in (first, last))
    return " \u2192 ".join(ends)


def _describe_closure(closure: StoreClosure, zone: ZoneInfo) -> dict[str, str]:
    ends = "no end" if closure.ends_us is None else short_moment(closure.ends_us, zone)
    return {
        "reason": plain(closure.reason),
        "treatment": closure.treatment.name.lower().replace("_", " "),
        "time": f"{short_moment(closure.starts_us, zone)} \u2192 {ends}",
        "stores": _name_stores(closure),
    }


def _name_stores(closure: StoreClosure) -> str:
    if closure.labels is None:
        return "this store"
    return ", ".join(_describe_labels(closure.labels)) or "every store"
