"""Settings: how workers and the scheduler share out work."""

from pydantic import Field
from pydantic_settings import BaseSettings

from shared.settings.forms import AUTO_OR_COUNT
from shared.settings.names import MAX_S


class JobSettings(BaseSettings):
    """How workers and the scheduler share out work."""

    batch_stores: int = Field(default=4000, ge=1, le=100_000, description="Stores in one batch of a report.")
    lease_s: float = Field(
        default=20.0,
        gt=0,
        le=MAX_S,
        description="Seconds until a batch of a silent worker may be claimed by another worker.",
    )
    max_attempts: int = Field(
        default=5, ge=1, description="Failed claims of a batch, or of a merge, after which the report fails."
    )
    sweep_s: float = Field(
        default=2.0, gt=0, le=MAX_S, description="Seconds between two sweeps of the scheduler."
    )
    republish_s: float = Field(
        default=10.0, gt=0, le=MAX_S, description="Seconds until an unclaimed batch is published again."
    )
    worker_threads: int = Field(
        default=3,
        ge=1,
        le=64,
        description="Batches that one worker process computes at the same time, in addition to one short batch.",
    )
    cache_mb: str = Field(
        default="auto",
        pattern=AUTO_OR_COUNT,
        description="Megabytes that one worker process caches: polls and hours for the next report about the same stores and, in an eighth of it, its own parts until they are merged. 0: no cache. auto: a quarter of the container's memory limit, or 256 without a limit.",
    )
    look_s: float = Field(
        default=1.0,
        gt=0,
        le=MAX_S,
        description="Seconds between a worker's checks whether Redis takes messages. While it does not, the worker finds due batches in Postgres at the same interval.",
    )
    stop_grace_s: float = Field(
        default=20.0,
        ge=0,
        le=MAX_S,
        description="Seconds that a stopping worker may take to finish its batches. Then it gives back the rest. Set it at least 10 s below the time after which the process is killed.",
    )
