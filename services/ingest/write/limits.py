"""What an operator may set of a load: how much is committed at once, and how bad it may be."""

from dataclasses import dataclass

from shared.settings import Settings


@dataclass(frozen=True)
class Limits:
    """Bytes of a chunk, the share (0 to 1) of its rows that may be rejected, and seconds to wait for a locked table.

    `lock_timeout_s` is for one try, `lock_patience_s` for all of them.
    """

    chunk_bytes: int = 4 << 20
    reject_limit: float = 0.5
    lock_timeout_s: float = 10.0
    lock_patience_s: float = 900.0  # after which a load gives up; until then it tries again

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """As the environment says."""
        return cls(settings.chunk_bytes, settings.reject_limit, lock_timeout_s=settings.lock_timeout_s)
