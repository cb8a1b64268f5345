"""Validates special hours, lifetimes and closures as they are written in files and calls."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from services.ingest.parse.dates import parse_date
from services.ingest.parse.instants import parse_instant
from services.ingest.parse.times_of_day import find_doubt, parse_closing, parse_opening
from shared.clock import from_us

TREATMENTS: Final = ("exclude", "as_up", "ignore")
NO_REASON: Final = "other"
MAX_REASON: Final = 100
MAX_NOTE: Final = 2000
_REMEMBERED: Final = 4096
# Values of a row by column of `import_staged`; functions return the reason to reject in their place.
Fields = Mapping[str, Any]


# A file repeats few distinct values.
@lru_cache(_REMEMBERED)
def parse_special_hours(day: str, opens: str, closes: str) -> Fields | str:
    """Return the date with the opening and closing second of the local day; without times the date is closed."""
    found = parse_date(day)
    if found is None:
        return "date"
    given = [bool(text.strip(" ")) for text in (opens, closes)]
    if not any(given):
        return {"date": found}
    if not all(given):
        return "one_time"
    seconds = parse_opening(opens), parse_closing(closes)
    if None in seconds:
        return "time"
    if doubt := find_doubt(opens, closes):
        return doubt
    return {"date": found, "opens": seconds[0], "closes": seconds[1]}


def parse_lifetime(opened: str, closed: str) -> Fields | str:
    """Return the first instant of a store's existence and the end of it. Each may be missing."""
    return _parse_range(opened, closed, ("opened_at", "closed_at", "lifetime_order"))


def parse_closure(starts: str, ends: str, treatment: str, reason: str, note: str) -> Fields | str:
    """Return the range of a closure, and its treatment, reason and note as JSON. The end may be missing."""
    if not starts.strip(" "):
        return "starts_at"
    found = _parse_range(starts, ends, ("starts_at", "ends_at", "closure_order"))
    if isinstance(found, str):
        return found
    treatment, reason, note = treatment.strip(" ").lower(), reason.strip(" "), note.strip(" ")
    if treatment not in TREATMENTS:
        return "treatment"
    if len(reason) > MAX_REASON:
        return "reason"
    if len(note) > MAX_NOTE:
        return "note"
    details = {"treatment": treatment, "reason": reason or NO_REASON, "note": note}
    return {**found, "details": json.dumps(details)}


def _parse_range(begins: str, ends: str, reasons: tuple[str, str, str]) -> dict[str, Any] | str:
    """Return both instants, or the reason: for the first, for the second, for their order."""
    instants: list[datetime | None] = []
    for text, reason in zip((begins, ends), reasons[:2], strict=True):
        instant_us = parse_instant(text) if text.strip(" ") else None
        if isinstance(instant_us, str):
            return reason
        instants.append(None if instant_us is None else from_us(instant_us))
    first, last = instants
    if first is not None and last is not None and last <= first:
        return reasons[2]
    return {"begins": first, "ends": last}
