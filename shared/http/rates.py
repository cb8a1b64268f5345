"""Rate limits per key. Redis counts for all processes; each process takes blocks of calls from it.

While Redis is unavailable, reads are not limited, and each process counts the calls that create work on its own.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage

from shared.errors import RateLimited
from shared.http.rate_counts import CountsAway, SharedCounts
from shared.settings import Settings

_BLOCKS_A_WINDOW = 20  # one request to Redis per twentieth of the limit
_UNSHARED_S = 2.0  # without Redis, a key gets a full limit of reads per this period
_MOST_TALLIES = 10_000


class Work(StrEnum):
    """The kind of work a call causes. Each kind has its own limit."""

    READ = "read"
    REPORT = "report"
    INGEST = "ingest"


@dataclass
class _Tally:
    """The block of calls that this process holds of one key's limit, until `until_s`. Zero `permits` refuse every call.

    `is_spent`: all calls of the block were admitted, and Redis may have more. `others` is what was left in the window,
    which ends at `window_ends_s`, when this block was taken.
    """

    permits: int
    until_s: float
    window_ends_s: float
    others: int = 0
    is_spent: bool = False


@dataclass(frozen=True)
class Allowance:
    """What is left of a key's limit, as far as this process can tell (draft-ietf-httpapi-ratelimit-headers)."""

    work: Work
    limit: RateLimitItem
    remaining: int
    resets_in_s: float

    def headers(self) -> Mapping[str, str]:
        """Return `RateLimit-Policy` (`q` calls in `w` seconds) and `RateLimit` (`r` left for `t` seconds)."""
        return {
            "RateLimit-Policy": f'"{self.work}";q={self.limit.amount};w={self.limit.get_expiry()}',
            "RateLimit": f'"{self.work}";r={self.remaining};t={math.ceil(self.resets_in_s)}',
        }


class Rates:
    """The limits of one process. With an empty `redis_url` the process counts on its own."""

    def __init__(self, redis_url: str, limits: Mapping[Work, RateLimitItem]) -> None:
        self._limits = limits
        self._shared = SharedCounts(redis_url) if redis_url else None
        self._own = MemoryStorage()
        self._tallies: dict[tuple[str, Work], _Tally] = {}
        self._one_reserves = asyncio.Lock()  # otherwise concurrent calls would each take a block

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._shared is not None:
            await self._shared.close()

    async def admit(self, key_prefix: str, work: Work) -> Allowance:
        """Count a call and return what is left. Raises `RateLimited` above the limit."""
        who = (key_prefix, work)
        if not self._has_room(who):
            async with self._one_reserves:
                if not self._has_room(who):  # no other call took a block meanwhile
                    if len(self._tallies) >= _MOST_TALLIES:
                        self._tallies.clear()
                    self._tallies[who] = await self._reserve(who, time.monotonic())
        tally = self._tallies[who]
        if tally.permits == 0:
            raise RateLimited(
                f'this key has used its limit of {self._limits[work]} for calls of kind "{work}": retry after the time in Retry-After',
                retry_after_s=max(0.0, tally.until_s - time.monotonic()),
            )
        tally.permits -= 1
        tally.is_spent = tally.permits == 0
        resets_in_s = max(0.0, tally.window_ends_s - time.monotonic())
        return Allowance(work, self._limits[work], tally.permits + tally.others, resets_in_s)

    def none_left(self, work: Work, retry_after_s: float) -> Allowance:
        """Return the empty allowance to show after `RateLimited`."""
        return Allowance(work, self._limits[work], 0, retry_after_s)

    def _has_room(self, who: tuple[str, Work]) -> bool:
        """Whether the tally can decide without Redis: it has permits left, or it refuses until `until_s`."""
        tally = self._tallies.get(who)
        return tally is not None and not tally.is_spent and tally.until_s > time.monotonic()

    async def _reserve(self, who: tuple[str, Work], now_s: float) -> _Tally:
        limit = self._limits[who[1]]
        if self._shared is not None and self._shared.is_there:
            with suppress(CountsAway):
                return await self._take(self._shared, limit, who, now_s)
        if who[1] is Work.READ:
            until_s = now_s + min(float(limit.get_expiry()), _UNSHARED_S)
            return _Tally(limit.amount, until_s, until_s)
        return await self._take(self._own, limit, who, now_s)

    async def _take(
        self, counts: Storage | SharedCounts, limit: RateLimitItem, who: tuple[str, Work], now_s: float
    ) -> _Tally:
        """Take a block of calls, in one round trip if the window's end is known. The block is empty if too few are left."""
        name, period_s = limit.key_for(*who), limit.get_expiry()
        block = max(1, limit.amount // _BLOCKS_A_WINDOW)
        taken = await counts.incr(name, period_s, amount=block)
        now_s = (
            time.monotonic()
        )  # the window began before this answer, so it must not end earlier here than in Redis
        before = self._tallies.get(who)
        if taken == block:  # the first one of a window
            window_ends_s = now_s + period_s
        elif before is not None and before.window_ends_s > now_s:
            window_ends_s = before.window_ends_s
        else:
            window_ends_s = now_s + max(0.001, await counts.get_expiry(name) - time.time())
        if taken <= limit.amount:
            return _Tally(block, now_s + period_s, window_ends_s, limit.amount - taken)
        return _Tally(0, window_ends_s, window_ends_s)


def make_rates(settings: Settings) -> Rates:
    """Build the limits from the settings, without connecting. Raises ValueError for an invalid limit."""
    return Rates(
        settings.redis_url.get_secret_value(),
        {
            Work.READ: parse(settings.rate_read),
            Work.REPORT: parse(settings.rate_report),
            Work.INGEST: parse(settings.rate_ingest),
        },
    )
