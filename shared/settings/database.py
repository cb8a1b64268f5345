"""Settings: limits of sessions in Postgres."""

from pydantic import Field
from pydantic_settings import BaseSettings


class DatabaseSettings(BaseSettings):
    """Limits of sessions in Postgres."""

    statement_timeout_s: float = Field(
        default=15.0,
        gt=0,
        le=60,
        description="Seconds that Postgres may take for one statement of an HTTP call. After that the call gets 503 `timed_out`.",
    )
    lock_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=60,
        description="How many seconds a batch or an import chunk waits for a table lock in Postgres. Then it is retried later, without counting as a failed claim.",
    )
    pool_size: int = Field(
        default=8,
        ge=1,
        description="Most database connections of one process. An HTTP service divides them among key lookups, writes and lists, at least 1 each.",
    )
