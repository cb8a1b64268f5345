"""Turn the input of a batch into the bytes of its part. Must not know the database or the storage."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.worker.columns import report_columns
from services.worker.failing_stores import find_failing_stores
from services.worker.inputs import BatchInput
from services.worker.render import render_csv, report_values
from shared.clock import to_us
from shared.reports.model import Batch, FailedStore
from shared.uptime.batch import StoreHistory, measure_batch
from shared.uptime.policy import POLICIES
from shared.uptime.window import parse_windows


@dataclass(frozen=True)
class RenderedPart:
    """The bytes of a part. The `failed` stores of its batch have no row in them."""

    data: bytes
    failed: Sequence[FailedStore]


def render_part(batch: Batch, given: BatchInput) -> RenderedPart:
    """Measure and render every store that can be computed. A store that cannot costs only itself.

    The first part of a report has the header, so the file is the concatenation of its parts.
    """
    data, faults = find_failing_stores(given, lambda some: _render_stores(batch, some))
    return RenderedPart(
        data, [FailedStore(given.store_ids[place], fault.reason, fault.detail) for place, fault in faults]
    )


def _render_stores(batch: Batch, given: BatchInput) -> bytes:
    windows = parse_windows(batch.windows)
    measures = measure_batch(
        StoreHistory(given.zones, given.hours, given.polls),
        to_us(batch.as_of),
        windows,
        POLICIES[batch.policy],
        detail=batch.detail,
    )
    columns = report_columns(windows, detail=batch.detail)
    values = report_values(given.store_ids, given.zones, measures, columns)
    return render_csv(values, header=batch.batch_no == 0)
