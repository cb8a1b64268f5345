"""The answer that describes an import."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Counts:
    """What happened to valid rows. Each row counts once."""

    accepted: int
    duplicate: int
    corrected: int


@dataclass(frozen=True)
class ImportCounts(Counts):
    """What happened to all rows of an import."""

    rows_read: int
    rejected: int


@dataclass(frozen=True)
class ImportProgress:
    """How much of a file has been read. The total is None if unknown."""

    bytes_done: int
    bytes_total: int | None


@dataclass(frozen=True)
class ImportStatus:
    """An import. `members` are the files of an archive."""

    id: str
    state: str
    kind: str | None
    source: str
    counts: ImportCounts
    same_as: str | None
    quality: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    created_at: datetime
    finished_at: datetime | None
    members: Sequence["ImportStatus"] = ()
    parent_id: str | None = None
    progress: ImportProgress | None = None
    sha256: str | None = None
    started_at: datetime | None = None
    origin: str | None = None
    reading: Mapping[str, Any] | None = None

    @property
    def is_final(self) -> bool:
        """Whether the import has ended, so that waiting longer changes nothing."""
        return self.state not in ("queued", "running")
