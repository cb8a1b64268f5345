"""What an operator may set for a load."""

from dataclasses import dataclass

from shared.settings import Settings


@dataclass(frozen=True)
class Limits:
    """Limits of a load: bytes of a chunk, the share (0 to 1) of its rows that may be rejected, and waits for locks.

    `lock_timeout_s` is for one attempt at a locked table, `lock_patience_s` for all attempts. `allow_odd_ids` accepts
    store ids such as `8E5` or `NULL`.
    """

    chunk_bytes: int = 4 << 20
    reject_limit: float = 0.5
    lock_timeout_s: float = 10.0
    lock_patience_s: float = 900.0
    allow_odd_ids: bool = False

    @classmethod
    def from_settings(cls, settings: Settings) -> "Limits":
        """Take the limits from the environment."""
        return cls(
            settings.chunk_bytes,
            settings.reject_limit,
            lock_timeout_s=settings.lock_timeout_s,
            allow_odd_ids=settings.allow_odd_ids,
        )
