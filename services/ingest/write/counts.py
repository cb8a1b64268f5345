"""How rows are counted, and what one transaction of an import covers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self


@dataclass(frozen=True)
class RowCounts:
    """The outcome of rows. Every row read is in exactly one of the first four counts.

    `cut_fractions` counts valid polls whose instant was finer than a microsecond, `assumed_utc` those without a zone.
    """

    accepted: int = 0
    duplicate: int = 0
    corrected: int = 0
    rejected: int = 0
    cut_fractions: int = 0
    assumed_utc: int = 0

    @property
    def rows_read(self) -> int:
        return self.accepted + self.duplicate + self.corrected + self.rejected

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.accepted + other.accepted,
            self.duplicate + other.duplicate,
            self.corrected + other.corrected,
            self.rejected + other.rejected,
            self.cut_fractions + other.cut_fractions,
            self.assumed_utc + other.assumed_utc,
        )


NO_ROWS = RowCounts()


@dataclass(frozen=True)
class Stretch:
    """The bytes of the source that one transaction covers, and the first and last instant that it touched.

    The instants are those of polls, unless `of_polls` is False.
    """

    first_byte: int
    end_byte: int
    earliest: datetime | None = None
    latest: datetime | None = None
    of_polls: bool = True
