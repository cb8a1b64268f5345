"""Measure many windows of some stores at once: as reports do, without closures, and as if the stores were always open."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from services.api.use_cases.outages import OutageInput
from services.api.use_cases.reconcile_figures import MeasuredWindow, OwnFigures
from shared.inputs.batch_input import BatchInput
from shared.uptime.adjustments import Adjustments, adjusted_schedule
from shared.uptime.calendar import Hours
from shared.uptime.closures import NO_CLOSURES
from shared.uptime.faults import find_faults
from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Measures, measure
from shared.uptime.policy import POLICIES, history_us

_NO_ROWS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class MeasuredWindows:
    """The figures of each window in the order they were asked for; None if its store cannot be computed.

    `with_hours`: the stores that have opening hours.
    """

    windows: Sequence[MeasuredWindow | None]
    with_hours: frozenset[str]


def measure_figures(given: OutageInput, windows: Sequence[tuple[str, int, int]]) -> MeasuredWindows:
    """Measure windows, each of a store from an instant until another one, in microseconds since 1970.

    What lies after the `as_of` of the input does not count.
    """
    batch = given.given
    faults = dict(find_faults(batch.zones, batch.hours, batch.adjustments))
    batch = batch.keep([place for place in range(len(batch.store_ids)) if place not in faults])
    number = {store_id: place for place, store_id in enumerate(batch.store_ids)}
    columns, bounds_us = _lay_out(number, windows, given.as_of_us)
    adjustments = batch.adjustments
    # Without special hours and closures. Events are what polls say, so they stay.
    always = Adjustments(lifetimes=adjustments.lifetimes, notes=adjustments.notes)
    found = [
        _measure(given, batch, hours, adjusted, bounds_us)
        for hours, adjusted in (
            (batch.hours, adjustments),
            (batch.hours, replace(adjustments, closures=NO_CLOSURES)),
            (Hours(_NO_ROWS, _NO_ROWS, _NO_ROWS, _NO_ROWS), always),
        )
    ]
    taken = [
        None if cell is None else MeasuredWindow(*(_take(measures, cell) for measures in found))
        for cell in columns
    ]
    dated = adjustments.dated_hours.store.tolist()
    return MeasuredWindows(
        taken, frozenset(batch.store_ids[place] for place in {*batch.hours.store.tolist(), *dated})
    )


def _lay_out(
    number: dict[str, int], windows: Sequence[tuple[str, int, int]], as_of_us: int
) -> tuple[list[tuple[int, int] | None], tuple[Int64s, Int64s]]:
    """Return the cell of each window, and the starts and ends of all cells; cells without a window are empty."""
    of_store: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    cells: list[tuple[int, int] | None] = []
    for store_id, start_us, end_us in windows:
        store = number.get(store_id)
        if store is None:
            cells.append(None)
            continue
        cells.append((store, len(of_store[store])))
        of_store[store].append((start_us, min(end_us, as_of_us)))
    width = max(map(len, of_store.values()), default=0)
    starts_us, ends_us = np.full((2, len(number), width), as_of_us, dtype=np.int64)
    for store, own in of_store.items():
        starts_us[store, : len(own)], ends_us[store, : len(own)] = zip(*own, strict=True)
    return cells, (starts_us, ends_us)


def _measure(
    given: OutageInput,
    batch: BatchInput,
    hours: Hours,
    adjustments: Adjustments,
    bounds_us: tuple[Int64s, Int64s],
) -> Measures:
    policy = POLICIES[given.policy]
    first_us = int(bounds_us[0].min(initial=given.as_of_us)) - history_us(policy)
    schedule = adjusted_schedule(batch.zones, hours, adjustments, first_us, given.as_of_us)
    return measure(schedule, batch.polls, given.as_of_us, bounds_us, policy)


def _take(measures: Measures, cell: tuple[int, int]) -> OwnFigures:
    numbers = {field.name: int(getattr(measures, field.name)[cell]) for field in fields(Measures)}
    return OwnFigures(
        open_us=numbers["open_us"],
        down_us=numbers["down_us"],
        unknown_us=numbers["unknown_us"],
        excluded_us=numbers["excluded_us"],
        down_min_us=numbers["open_us"] - numbers["up_max_us"],
        down_max_us=numbers["open_us"] - numbers["up_min_us"],
        polls=numbers["polls"],
    )
