"""Turn the input of a batch into the bytes of its part. Must not know the database or the storage."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from itertools import compress
from typing import TypeVar

import numpy as np

from services.worker.columns import report_columns
from services.worker.failing_stores import find_failing_stores
from services.worker.further_lines import FurtherLines
from services.worker.outage_rows import render_outages
from services.worker.reason_rows import render_reasons
from services.worker.render import render_csv, report_values
from services.worker.summary.part import render_summary
from shared.clock import to_us
from shared.inputs.batch_input import BatchInput
from shared.reports.batch import Batch
from shared.reports.model import StoreFailure
from shared.uptime.batch import MeasuredOutages, measure_batch, measure_outages
from shared.uptime.bounds import bounds_us
from shared.uptime.intervals import Bools
from shared.uptime.kernel import Measures
from shared.uptime.outage_totals import OutageTotals, outage_totals
from shared.uptime.policy import POLICIES
from shared.uptime.whole_days import NEAR_TAIL_US, WholeDays, measure_with_days
from shared.uptime.window import Window, parse_windows

Numbers = TypeVar("Numbers", Measures, OutageTotals)


@dataclass(frozen=True)
class RenderedPart:
    """The CSV of a part, and the lines of its further files if they were requested.

    Without a row are the stores that `failed`, and the number of those that are `left_out` because they exist in none of
    the windows. `facts_only` is as in `BatchResult`.
    """

    data: bytes
    failed: Sequence[StoreFailure]
    left_out: int
    outages: FurtherLines | None = None
    reasons: FurtherLines | None = None
    summary: FurtherLines | None = None
    facts_only: tuple[date, date] | None = None


def render_part(batch: Batch, given: BatchInput) -> RenderedPart:
    """Measure and render every store that can be computed. A store that cannot costs only itself.

    The first part of a report has the header, so the file is the concatenation of its parts.
    """
    rendered, faults = find_failing_stores(given, lambda some: _render_stores(batch, some))
    failed = [StoreFailure(given.store_ids[place], fault.reason, fault.detail) for place, fault in faults]
    return replace(rendered, failed=failed, facts_only=given.facts_only)


def _render_stores(batch: Batch, given: BatchInput) -> RenderedPart:
    windows, as_of_us = parse_windows(batch.windows), to_us(batch.as_of)
    measures, found = _measure(batch, given)
    summary = render_summary(batch, given, measures) if "summary" in batch.files else None
    # Windows beyond those of the report are measured for the summary only.
    outages = None if found is None else found.outages[: len(windows)]
    totals = outage_totals(outages, len(given.store_ids)) if batch.detail and outages is not None else None
    store_ids, zones, names = given.store_ids, given.zones, given.names
    if len(given.adjustments.lifetimes.store):
        exists = _exist_in_any(given, windows, as_of_us)
        store_ids, zones = list(compress(store_ids, exists)), list(compress(zones, exists))
        names = names and list(compress(names, exists))
        measures, totals = _select_stores(measures, exists), totals and _select_stores(totals, exists)
    columns = report_columns(windows, detail=batch.detail)
    values = report_values(store_ids, zones, measures, totals, columns, names)
    has_header = batch.batch_no == 0
    lines = reasons = None
    if outages is not None and "outages" in batch.files:
        lines = render_outages(
            given.store_ids, given.zones, outages, windows, given.reasons, header=has_header
        )
    if found is not None and "reasons" in batch.files:
        times = found.reason_times(len(windows))
        reasons = render_reasons(given.store_ids, times, windows, given.reasons, header=has_header)
    left_out = len(given.store_ids) - len(store_ids)
    return RenderedPart(render_csv(values, header=has_header), (), left_out, lines, reasons, summary)


def _measure(batch: Batch, given: BatchInput) -> tuple[Measures, MeasuredOutages | None]:
    """Return the measures, and the outages in each window if anything needs them."""
    as_of_us, windows = to_us(batch.as_of), parse_windows(batch.measured_windows)
    policy, history, adjustments = POLICIES[batch.policy], given.history, given.adjustments
    if batch.finds_outages:
        found = measure_outages(
            history, as_of_us, windows, policy, detail=batch.detail, adjustments=adjustments
        )
        return found.measures, found
    if given.whole_days is not None:
        return _measure_from_facts(batch, given, given.whole_days), None
    measures = measure_batch(history, as_of_us, windows, policy, detail=batch.detail, adjustments=adjustments)
    return measures, None


def _measure_from_facts(batch: Batch, given: BatchInput, days: WholeDays) -> Measures:
    """Measure stores with known days from these, and the others from all their polls.

    A group whose polls reach back further is measured apart, so that it costs no other store.
    """
    as_of_us, windows, policy = to_us(batch.as_of), parse_windows(batch.windows), POLICIES[batch.policy]
    starts_us, ends_us = bounds_us(windows, as_of_us, given.zones)
    tails_us = days.tails_us(starts_us, ends_us)
    is_near = (tails_us >= as_of_us - NEAR_TAIL_US) | (tails_us == ends_us.max(axis=1, initial=0))
    groups = [np.flatnonzero(days.has_any & chosen) for chosen in (is_near, ~is_near)]
    others = np.flatnonzero(~days.has_any)
    found = []
    for places in groups:
        some = given.keep(places.tolist())
        known = days.keep(places.tolist())
        found.append(
            measure_with_days(some.history, as_of_us, windows, policy, known, adjustments=some.adjustments)
        )
    rest = given.keep(others.tolist())
    found.append(
        measure_batch(rest.history, as_of_us, windows, policy, detail=False, adjustments=rest.adjustments)
    )
    order = np.argsort(np.concatenate((*groups, others)))
    return Measures(
        *(np.concatenate([getattr(each, field.name) for each in found])[order] for field in fields(Measures))
    )


def _exist_in_any(given: BatchInput, windows: Sequence[Window], as_of_us: int) -> Bools:
    return given.adjustments.lifetimes.meets(bounds_us(windows, as_of_us, given.zones))


def _select_stores(numbers: Numbers, chosen: Bools) -> Numbers:
    return type(numbers)(*(getattr(numbers, field.name)[chosen] for field in fields(numbers)))
