"""Turn the input of a batch into the bytes of its part. Must not know the database or the storage."""

from services.worker.columns import report_columns
from services.worker.inputs import BatchInput
from services.worker.render import render_csv, report_values
from shared.clock import to_us
from shared.reports.model import Batch
from shared.uptime.batch import StoreHistory, measure_batch
from shared.uptime.policy import POLICIES
from shared.uptime.window import parse_windows


def render_part(batch: Batch, given: BatchInput) -> bytes:
    """Measure and render. The first part of a report has the header, so the file is the concatenation of its parts."""
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
