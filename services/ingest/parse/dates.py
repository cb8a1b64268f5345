"""Reads local dates, and says which years are accepted."""

import re
from datetime import date
from typing import Final

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2100
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def parse_date(text: str) -> date | None:
    """Return the local date, or None if it is not written as 2024-12-25, does not exist, or is not in 2000 to 2100."""
    text = text.strip(" ")
    if not _DATE.fullmatch(text):
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if FIRST_YEAR <= found.year <= LAST_YEAR else None
