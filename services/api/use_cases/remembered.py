"""Keep what many people look at, such as the sums of a large fleet, for as long as the data it was computed from is the same."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

MOST_KEPT: Final = 32  # each up to a megabyte
LONGEST_S: Final = 600.0  # labels can be changed by SQL, which leaves no trace
Value = TypeVar("Value")


class DataVersion(NamedTuple):
    """What something was computed from: `main` must be the same, `rest` may be another one for a while."""

    main: str
    rest: str


@dataclass(frozen=True)
class _Kept(Generic[Value]):
    version: DataVersion
    computed_s: float
    value: Value

    def serves(self, version: DataVersion, now_s: float, rest_s: float) -> bool:
        age_s = now_s - self.computed_s
        if version == self.version:
            return age_s < LONGEST_S
        return version.main == self.version.main and age_s < rest_s


class Remembered(Generic[Value]):
    """Values of one process by name. One computation serves all who wait for it. Use it only from the event loop's thread."""

    def __init__(self, rest_s: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._rest_s, self._clock_s = rest_s, clock_s
        self._kept: OrderedDict[str, _Kept[Value]] = OrderedDict()
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}

    async def read(self, name: str, version: DataVersion, compute: Callable[[], Awaitable[Value]]) -> Value:
        """Return the value with a name: the one that is kept, or else a computed one. Raises what `compute` does."""
        if (kept := self._find(name, version)) is not None:
            return kept.value
        lock, waiting = self._turns.get(name, (asyncio.Lock(), 0))
        self._turns[name] = lock, waiting + 1
        try:
            async with lock:
                if (kept := self._find(name, version)) is not None:
                    return kept.value
                began_s, value = self._clock_s(), await compute()
                self._keep(name, _Kept(version, began_s, value))
                return value
        finally:
            lock, waiting = self._turns.pop(name)
            if waiting > 1:
                self._turns[name] = lock, waiting - 1

    def _find(self, name: str, version: DataVersion) -> _Kept[Value] | None:
        kept = self._kept.get(name)
        if kept is None or not kept.serves(version, self._clock_s(), self._rest_s):
            return None
        self._kept.move_to_end(name)
        return kept

    def _keep(self, name: str, kept: _Kept[Value]) -> None:
        self._kept[name] = kept
        self._kept.move_to_end(name)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
