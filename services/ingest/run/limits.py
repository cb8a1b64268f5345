"""What an operator may set for a load."""

from dataclasses import dataclass
from datetime import date

from shared.settings import Settings


@dataclass(frozen=True)
class Limits:
    """Limits of a load: bytes of a chunk, the share (0 to 1) of its rows that may be rejected, and waits for locks.

    `lock_timeout_s` is for one attempt at a locked table, `lock_patience_s` for all attempts. Hours whose rows have no
    date apply from `effective_from` on.
    """

    chunk_bytes: int = 4 << 20
    reject_limit: float = 0.5
    lock_timeout_s: float = 10.0
    lock_patience_s: float = 900.0
    effective_from: date | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> "Limits":
        """Take the limits from the environment."""
        return cls(settings.chunk_bytes, settings.reject_limit, lock_timeout_s=settings.lock_timeout_s)
