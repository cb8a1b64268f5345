"""Quotas: how much a key may have open at the same time. Limits per second are in `rates`."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """One quota: `used` of `limit` are open."""

    name: str
    limit: int
    used: int

    def headers(self) -> Mapping[str, str]:
        """Return `Quota-Policy` (at most `q`) and `Quota` (`r` left), in the format of `RateLimit`."""
        return {
            "Quota-Policy": f'"{self.name}";q={self.limit}',
            "Quota": f'"{self.name}";r={max(0, self.limit - self.used)}',
        }
