"""What an operator may set of a load: how much is committed at once, and how bad it may be."""

from dataclasses import dataclass

from shared.settings import Settings


@dataclass(frozen=True)
class Limits:
    """Bytes of a chunk, and the share (0 to 1) of its rows that may be rejected before the import stops."""

    chunk_bytes: int = 4 << 20
    reject_limit: float = 0.5

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """As the environment says."""
        return cls(settings.chunk_bytes, settings.reject_limit)
