"""Turn the input of a batch into the bytes of its part. Must not know the database or the storage."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import compress

from services.worker.columns import report_columns
from services.worker.failing_stores import find_failing_stores
from services.worker.inputs import BatchInput
from services.worker.render import render_csv, report_values
from shared.clock import to_us
from shared.reports.model import Batch, StoreFailure, WithoutRow
from shared.uptime.batch import StoreHistory, measure_batch
from shared.uptime.bounds import bounds_us
from shared.uptime.intervals import Bools
from shared.uptime.kernel import Measures
from shared.uptime.policy import POLICIES
from shared.uptime.window import Window, parse_windows


@dataclass(frozen=True)
class RenderedPart:
    """The CSV of a part. The stores `without_row` are not in it."""

    data: bytes
    without_row: WithoutRow


def render_part(batch: Batch, given: BatchInput) -> RenderedPart:
    """Measure and render every store that can be computed. A store that cannot costs only itself.

    The first part of a report has the header, so the file is the concatenation of its parts.
    """
    (data, left_out), faults = find_failing_stores(given, lambda some: _render_stores(batch, some))
    failed = [StoreFailure(given.store_ids[place], fault.reason, fault.detail) for place, fault in faults]
    return RenderedPart(data, WithoutRow(failed, left_out))


def _render_stores(batch: Batch, given: BatchInput) -> tuple[bytes, int]:
    """Return the CSV, and how many stores are left out because they exist in none of the windows."""
    windows = parse_windows(batch.windows)
    measures = measure_batch(
        StoreHistory(given.zones, given.hours, given.polls),
        to_us(batch.as_of),
        windows,
        POLICIES[batch.policy],
        detail=batch.detail,
        adjustments=given.adjustments,
    )
    store_ids, zones = given.store_ids, given.zones
    if len(given.adjustments.lifetimes.store):
        exists = _exist_in_any(given, windows, to_us(batch.as_of))
        store_ids, zones = list(compress(store_ids, exists)), list(compress(zones, exists))
        measures = _select_stores(measures, exists)
    columns = report_columns(windows, detail=batch.detail)
    values = report_values(store_ids, zones, measures, columns)
    data = render_csv(values, header=batch.batch_no == 0)
    return data, len(given.store_ids) - len(store_ids)


def _exist_in_any(given: BatchInput, windows: Sequence[Window], as_of_us: int) -> Bools:
    return given.adjustments.lifetimes.meets(bounds_us(windows, as_of_us, given.zones))


def _select_stores(measures: Measures, chosen: Bools) -> Measures:
    return Measures(**{field.name: getattr(measures, field.name)[chosen] for field in fields(measures)})
