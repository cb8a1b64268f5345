"""What travels through Redis: names and numbers only. Postgres holds every fact; a message merely wakes a worker."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

REPORT_QUEUE = "reports"
SHORT_QUEUE = "short"  # of the one thread of each worker that is kept for short work


class Wake(BaseModel):
    """Base of the messages. Unknown fields are refused: a message of another release is not guessed at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    report_id: UUID


class ComputeBatch(Wake):
    """One batch of a report is due."""

    batch_no: int = Field(ge=0)


class ShortBatch(ComputeBatch):
    """The only batch of a small report. It travels through both queues; whoever is free first takes it."""


class FinaliseReport(Wake):
    """Every batch of a report is done and nobody merges them."""


ACTOR_NAMES: dict[type[Wake], str] = {
    ComputeBatch: "compute_batch",
    ShortBatch: "compute_short_batch",
    FinaliseReport: "finalise_report",
}
