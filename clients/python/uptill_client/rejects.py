"""What loading files would give, and the rows that are rejected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
class PlannedFile:
    """What loading one file would give. `quality` has `plan`: stores, new stores, first and last date."""

    source: str
    kind: str | None
    state: str
    counts: ImportCounts
    first_rejects: Sequence[PlannedReject]
    quality: Mapping[str, Any] | None
    error: str | None
    reason: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class RejectedRow:
    """A row that was not loaded. `line` counts from 1; `raw` is its text, `source` its file."""

    line: int
    byte_offset: int
    reason: str
    raw: str
    source: str
