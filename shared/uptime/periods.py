"""Fixed local days, ISO weeks and months, and how a window names them. Must not know zones; `bounds.py` does."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from shared.uptime.policy import DAY_US

PERIOD_EXAMPLES: Final = "day_of:2026-10-31, week_of:2026-W40 or month_of:2026-10"
_PERIOD = re.compile(
    r"(?:day_of:(?P<day>\d{4}-\d{2}-\d{2})|week_of:(?P<week>\d{4}-W\d{2})|month_of:(?P<month>\d{4}-\d{2}))",
    re.ASCII,
)
# The name that a period makes, such as month_of_2026_10.
_NAME = re.compile(r"(day|week|month)_of_(\d{4})((?:_w?\d{2}){1,2})", re.ASCII)
_FORMATS: Final = {"day_of": "%Y-%m-%d", "week_of": "%G-W%V", "month_of": "%Y-%m"}
_KINDS: Final = tuple(_FORMATS)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# The years in which polls can lie.
_YEARS: Final = range(2000, 2101)


@dataclass(frozen=True, slots=True)
class LocalDates:
    """The local dates from `first` up to, but not including, `until`. `text` names them."""

    text: str
    first: date
    until: date

    @property
    def name(self) -> str:
        """The text as the end of a column's name: `month_of_2026_10`."""
        return self.text.replace(":", "_").replace("-", "_").lower()

    @property
    def previous_text(self) -> str:
        """The text of the day, week or month before."""
        last = self.first - timedelta(days=1)
        kind = self.text.partition(":")[0]
        return f"{kind}:{last:{_FORMATS[kind]}}"

    @property
    def earliest_us(self) -> int:
        """An instant before the first midnight in every zone. Local time is less than a day from UTC."""
        return (self.first.toordinal() - _EPOCH_DAY - 1) * DAY_US

    @property
    def latest_us(self) -> int:
        """An instant after the last midnight in every zone."""
        return (self.until.toordinal() - _EPOCH_DAY + 1) * DAY_US


def parse_period(text: str) -> LocalDates | None:
    """Parse `day_of:2026-10-31`, `week_of:2026-W40` (Monday to Sunday) or `month_of:2026-10`. None for any other text.

    The names that they make are read too: `month_of_2026_10`. Raises ValueError for a period that does not exist.
    """
    if not text.startswith(_KINDS):
        return None
    if named := _NAME.fullmatch(text):
        kind, year, rest = named.groups()
        period = f"{kind}_of:{year}{rest.replace('_', '-').upper()}"
    else:
        period = text
    found = _PERIOD.fullmatch(period)
    if not found or int(period.partition(":")[2][:4]) not in _YEARS:
        raise ValueError(
            f"{text!r} is not a window: use {PERIOD_EXAMPLES}, with a year from {_YEARS[0]} to {_YEARS[-1]}"
        )
    try:
        return LocalDates(period, *_read_dates(**found.groupdict()))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a window: the calendar has no such day, week or month") from error


def _read_dates(day: str | None, week: str | None, month: str | None) -> tuple[date, date]:
    if day:
        first = date.fromisoformat(day)
        return first, first + timedelta(days=1)
    if week:
        monday = date.fromisoformat(f"{week}-1")
        return monday, monday + timedelta(days=7)
    first = date.fromisoformat(f"{month}-01")
    return first, (first + timedelta(days=31)).replace(day=1)
