"""What a key may have open at a time, told in headers of answers. What a key may do a second is in `rates`."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """Of `limit` things that a key may have open, `used` are."""

    name: str
    limit: int
    used: int

    def headers(self) -> Mapping[str, str]:
        """`Quota-Policy` and `Quota`: at most `q` at a time, of which `r` are left; built like `RateLimit`."""
        return {
            "Quota-Policy": f'"{self.name}";q={self.limit}',
            "Quota": f'"{self.name}";r={max(0, self.limit - self.used)}',
        }
