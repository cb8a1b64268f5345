"""Add up the stores of a batch for the summary of its report. Must not know the database or the storage.

A part has microseconds, the hours of the week by number, and candidates for the ranks: all that can be added up again.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from services.worker.further_lines import FurtherLines
from services.worker.summary.ranks import rank_stores
from services.worker.summary.sections import LABEL_PREFIX, MAX_VALUES, NUMBERS, PART_COLUMNS, TIMES
from shared.clock import to_us
from shared.inputs.batch_input import BatchInput
from shared.reports.batch import Batch
from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Measures
from shared.uptime.policy import POLICIES
from shared.uptime.week_hours import WEEK_HOURS, WeekHours, sum_week_hours
from shared.uptime.window import parse_windows, with_previous
from shared.uptime.zones import DEFAULT_TIMEZONE

Row = tuple[str | int, ...]
# The name of the section, the names of its groups, and the group of each store; -1: none.
Grouping = tuple[str, Sequence[str], Int64s]
_HALF: Final = len(NUMBERS) // 2


def render_summary(batch: Batch, given: BatchInput, measures: Measures) -> FurtherLines:
    """Render the sums of a batch. `measures` holds the report's windows and those before them."""
    windows = parse_windows(batch.windows)
    every, places = with_previous(windows)
    hours = sum_week_hours(
        given.history, to_us(batch.as_of), every, POLICIES[batch.policy], adjustments=given.adjustments
    )
    groupings = list(_group_stores(given))
    rows: list[Row] = []
    for number, (window, place) in enumerate(zip(windows, places, strict=True)):
        numbers = np.hstack([_of_stores(measures, each) for each in (number, place)])
        rows += [(window.name, *row) for row in _sum_groups(groupings, numbers)]
        by_hour = np.hstack([_of_hours(hours, each) for each in (number, place)])
        rows += [(window.name, "hour", hour, *sums) for hour, sums in enumerate(by_hour.tolist())]
        rows += [(window.name, *row) for row in rank_stores(given.store_ids, numbers)]
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator="\n")
    writer.writerows([PART_COLUMNS] * (batch.batch_no == 0))
    writer.writerows(rows)
    return FurtherLines(target.getvalue().encode(), len(rows))


def _group_stores(given: BatchInput) -> Iterator[Grouping]:
    stores = len(given.store_ids)
    yield "all", [""], np.zeros(stores, dtype=np.int64)
    yield "zone", *_number_names([zone or DEFAULT_TIMEZONE for zone in given.zones])
    labels = given.labels or []
    for name in sorted({name for some in labels for name in some}):
        values, of = _number_names([some.get(name, "") for some in labels])
        # Stores without the label are what is left of all. One value too many tells that there are too many.
        kept = [place for place, value in enumerate(values) if value][: MAX_VALUES + 1]
        number = np.full(len(values), -1, dtype=np.int64)
        number[kept] = np.arange(len(kept))
        yield f"{LABEL_PREFIX}{name}", [values[place] for place in kept], number[of]


def _number_names(names: Sequence[str]) -> tuple[Sequence[str], Int64s]:
    """Return the different names, sorted, and the number of each one given."""
    different = sorted(set(names))
    number = {name: place for place, name in enumerate(different)}
    return different, np.array([number[name] for name in names], dtype=np.int64)


def _sum_groups(groupings: Sequence[Grouping], numbers: Int64s) -> Iterator[Row]:
    for section, names, of in groupings:
        sums = np.zeros((len(names), len(NUMBERS)), dtype=np.int64)
        chosen = of >= 0
        np.add.at(sums, of[chosen], numbers[chosen])
        for name, row in zip(names, sums.tolist(), strict=True):
            yield section, name, *row


def _of_stores(measures: Measures, place: int | None) -> Int64s:
    """Return the numbers of each store in a window; 0 without one."""
    if place is None:
        return np.zeros((len(measures.up_us), _HALF), dtype=np.int64)
    is_open = (measures.scheduled_us[:, place] > 0).astype(np.int64)
    return np.column_stack((is_open, *(getattr(measures, name)[:, place] for name in TIMES)))


def _of_hours(hours: WeekHours, place: int | None) -> Int64s:
    """Return the numbers of each hour of the week in a window, without a number of stores."""
    if place is None:
        return np.zeros((WEEK_HOURS, _HALF), dtype=np.int64)
    times = (getattr(hours, name)[place] for name in TIMES)
    return np.column_stack((np.zeros(WEEK_HOURS, dtype=np.int64), *times))
