"""How often live state is refreshed, which the scheduler decides, and from when on a store is silent, on which all agree."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from shared.settings import Settings
from shared.uptime.tzdata_release import tzdata_version

# Raised with every change of the rule (`shared/uptime/live.py`), so that all rows are computed again.
LIVE_VERSION: Final = 5
# New data is seen in a quarter of the time between two refreshes at the latest, and sooner where a refresh costs little.
_PAUSES: Final = 4


@dataclass(frozen=True)
class LiveTerms:
    """Seconds between two refreshes, seconds until a store without a usual gap is silent, and stores per batch."""

    every_s: float = 60.0
    silent_after_s: float = 10_800.0
    batch_stores: int = 4000

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the terms that the settings give."""
        return cls(settings.now_every_s, settings.silent_after_s, settings.batch_stores)

    @property
    def every(self) -> timedelta:
        return timedelta(seconds=self.every_s)

    @property
    def pause(self) -> timedelta:
        """The time between two refreshes of a batch while new data comes, at most. `now_pause` shortens it."""
        return timedelta(seconds=self.every_s / _PAUSES)

    @property
    def silent_us(self) -> int:
        return int(self.silent_after_s * 1_000_000)

    @property
    def most_stores(self) -> int:
        """Above this number of stores in one batch, the stores are divided again."""
        return 2 * self.batch_stores

    @property
    def made_by(self) -> str:
        """What rows are computed with, apart from the data. If it differs, they are computed again."""
        return f"{LIVE_VERSION} {tzdata_version()} {self.silent_us}"
