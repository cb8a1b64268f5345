"""The messages in Redis: names and numbers only. Postgres has all facts; a message only wakes a worker."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

REPORT_QUEUE = "reports"
# For the one thread of each worker that only takes short work.
SHORT_QUEUE = "short"


def home_queue(worker: int) -> str:
    """Return the queue that wakes the worker with this number for batches at home there."""
    return f"{REPORT_QUEUE}.home.{worker}"


class Wake(BaseModel):
    """Base of the messages. Unknown fields are refused, so a message of another release is never misread."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    report_id: UUID


class ComputeBatch(Wake):
    """One batch of a report is due. Its `home` is the number of the worker to wake first; it is not in the message."""

    batch_no: int = Field(ge=0)
    home: int | None = Field(default=None, exclude=True)


class ShortBatch(ComputeBatch):
    """The only batch of a small report. It goes through both queues, and the first free thread takes it."""


class FinaliseReport(Wake):
    """Every batch of a report is done, and no worker is merging them."""


ACTOR_NAMES: dict[type[Wake], str] = {
    ComputeBatch: "compute_batch",
    ShortBatch: "compute_short_batch",
    FinaliseReport: "finalise_report",
}

# Wakes a worker for a service level. It names no batch: a worker that finds none due takes a due level.
LEVEL_DUE = ComputeBatch(report_id=UUID(int=0), batch_no=0)
