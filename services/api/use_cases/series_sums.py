"""Daily sums of groups of stores, folded into periods and set beside those of the window before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final, Self

import numpy as np

from services.api.use_cases.series_dates import DateRange, SeriesPeriod, SeriesStep
from shared.uptime.intervals import Bools, Int64s

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# The columns of the sums: store-days, stores, and five sums.
_COLUMNS: Final = 7
_PER_ONE: Final = 1_000_000
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class PeriodFigures:
    """Sums over stores and dates. `stores`: the most on one date that had scheduled time."""

    stores: int
    days: int
    days_missing: int
    open_us: int
    up_us: int
    down_us: int
    unknown_us: int
    excluded_us: int
    outages: int

    @property
    def availability(self) -> float | None:
        """Uptime divided by uptime plus downtime, rounded down to a millionth; None if both are 0."""
        known_us = self.up_us + self.down_us
        return self.up_us * _PER_ONE // known_us / _PER_ONE if known_us else None


@dataclass(frozen=True)
class PeriodRow:
    """The figures of a group in a period, and those of the period with the same place in the window before."""

    group: str | None
    period: str | None
    dates: DateRange
    figures: PeriodFigures
    previous_dates: DateRange | None = None
    previous: PeriodFigures | None = None


@dataclass(frozen=True)
class DailySums:
    """Sums by group and date in shape (groups, dates, columns), and which dates belong to each group.

    `stores`: how many stores each group has.
    """

    names: Sequence[str | None]
    stores: Int64s
    dates: DateRange
    values: Int64s
    belongs: Bools

    @classmethod
    def empty(cls, names: Sequence[str | None], stores: Int64s, dates: DateRange) -> Self:
        """Return sums of nothing. Every date belongs to every group."""
        shape = len(names), dates.days
        return cls(
            names, stores, dates, np.zeros((*shape, _COLUMNS), dtype=np.int64), np.ones(shape, dtype=np.bool_)
        )

    def by_weekday(self) -> "DailySums":
        """Return the sums of all groups by the weekday of their dates."""
        days = np.arange(self.dates.days) + self.dates.first.weekday()
        belongs = days % len(_WEEKDAYS) == np.arange(len(_WEEKDAYS))[:, None]
        stores = np.full(len(_WEEKDAYS), self.stores.sum())
        return DailySums(
            _WEEKDAYS, stores, self.dates, self.values.sum(axis=0) * belongs[:, :, None], belongs
        )

    def add(self, group: Int64s, days: Int64s, numbers: Int64s) -> None:
        """Add facts: the group of each, counted from 1 (0: of none), its day since 1970, and its numbers by column.

        The numbers are the columns without the stores that had scheduled time.
        """
        count, excluded, opened, *_ = numbers
        open_stores = count * (excluded + opened != 0)
        place = (group - 1) * self.dates.days + days - (self.dates.first.toordinal() - _EPOCH_DAY)
        chosen = group > 0
        place = place[chosen]
        by_place = self.values.reshape(-1, _COLUMNS)
        for column, amounts in enumerate((count, open_stores, *numbers[1:])):
            np.add.at(by_place[:, column], place, amounts[chosen])

    @cached_property
    def _numbers(self) -> list[list[list[int]]]:
        """The sums as Python's numbers, which have no bound."""
        numbers: list[list[list[int]]] = self.values.tolist()
        return numbers

    def figures(self, group: int, dates: DateRange) -> PeriodFigures | None:
        """Return the figures of a group on some of the dates; None if none of them belongs to it."""
        start = (dates.first - self.dates.first).days
        belonging = int(self.belongs[group, start : start + dates.days].sum())
        if not belonging:
            return None
        columns = list(zip(*self._numbers[group][start : start + dates.days], strict=True))
        days, _, excluded, opened, up, down, outages = map(sum, columns)
        return PeriodFigures(
            stores=max(columns[1]),
            days=days,
            days_missing=int(self.stores[group]) * belonging - days,
            open_us=opened,
            up_us=up,
            down_us=down,
            unknown_us=opened - up - down,
            excluded_us=excluded,
            outages=outages,
        )


def pair_rows(
    sums: DailySums, before: DailySums | None, step: SeriesStep
) -> tuple[Sequence[PeriodRow], Sequence[PeriodRow]]:
    """Return the rows of each group by period, and those of each group for all dates."""
    periods = SeriesPeriod.list_of(sums.dates, step)
    earlier = SeriesPeriod.list_of(before.dates, step) if before else []
    rows, totals = list[PeriodRow](), list[PeriodRow]()
    for group in range(len(sums.names)):
        for place, period in enumerate(periods):
            dates = earlier[place].dates if place < len(earlier) else None
            rows += _pair(sums, before, group, period, dates)
        whole = SeriesPeriod("", sums.dates)
        totals += _pair(sums, before, group, whole, before.dates if before else None)
    return rows, totals


def _pair(
    sums: DailySums, before: DailySums | None, group: int, period: SeriesPeriod, previous: DateRange | None
) -> list[PeriodRow]:
    """Return the row of a group in a period, or nothing if no date of the period belongs to the group."""
    figures = sums.figures(group, period.dates)
    if figures is None:
        return []
    earlier = before.figures(group, previous) if before and previous else None
    name = sums.names[group]
    return [PeriodRow(name, period.name or None, period.dates, figures, previous, earlier)]
