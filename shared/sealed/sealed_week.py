"""A sealed week as its row describes it: the object, and the pieces that can be read apart from each other."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Self

POLLS_PREFIX: Final = "polls/"


@dataclass(frozen=True)
class WeekPiece:
    """Some bytes of the object. A row group has the polls of the stores from `first_id` to `last_id`, the footer none."""

    first_byte: int
    length: int
    sha256: str
    first_id: str | None = None
    last_id: str | None = None

    def holds_any(self, sorted_ids: Sequence[str]) -> bool:
        """Return whether one of these stores is in the piece's range."""
        if self.first_id is None or self.last_id is None:
            return False
        place = bisect_left(sorted_ids, self.first_id)
        return place < len(sorted_ids) and sorted_ids[place] <= self.last_id


@dataclass(frozen=True)
class SealedWeek:
    """A week of polls in the bucket. `groups` are in the order of the file."""

    starts_at: datetime
    key: str
    size_bytes: int
    sha256: str
    rows: int
    groups: Sequence[WeekPiece]
    footer: WeekPiece

    @classmethod
    def of_row(
        cls,
        starts_at: datetime,
        key: str,
        size_bytes: int,
        sha256: str,
        rows: int,
        pieces: Mapping[str, Any],
    ) -> Self:
        """Return the week of a row of `sealed_week`."""
        groups = [WeekPiece(**piece) for piece in pieces["groups"]]
        return cls(starts_at, key, size_bytes, sha256, rows, groups, WeekPiece(**pieces["footer"]))

    @property
    def pieces(self) -> dict[str, Any]:
        """Return the pieces as the row has them."""
        return {"groups": [asdict(piece) for piece in self.groups], "footer": asdict(self.footer)}


def week_name(monday: datetime) -> str:
    """Return the name of a week, as 2024-W42."""
    return f"{monday:%G-W%V}"
