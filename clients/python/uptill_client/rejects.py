"""What loading files would give, and the rows that are rejected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uptill_client.import_status import ImportCounts


@dataclass(frozen=True)
class PlannedReject:
    """A row that would be rejected."""

    line: int
    byte_offset: int
    reason: str
    raw: str


@dataclass(frozen=True)
class PlannedSkip:
    """The import that loaded the same bytes before: the name of its file, when it began, and its rejected rows."""

    source: str
    at: datetime
    rejected: int


@dataclass(frozen=True)
class PlannedFile:
    """What loading one file would give. `quality` has `plan`: stores, new stores, first and last date.

    `same_as`: the import that loaded the same bytes before, so that nothing would be loaded.
    """

    source: str
    kind: str | None
    state: str
    counts: ImportCounts
    first_rejects: Sequence[PlannedReject]
    quality: Mapping[str, Any] | None
    error: str | None
    reason: str | None = None
    seconds: float = 0.0
    same_as: str | None = None
    first_load: PlannedSkip | None = None


@dataclass(frozen=True)
class RejectedRow:
    """A row that was not loaded. `line` counts from 1; `raw` is its text, `source` its file."""

    line: int
    byte_offset: int
    reason: str
    raw: str
    source: str
