"""What an import tells its caller: progress on the way, the result at the end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.ingest.parse.header import Kind
from services.ingest.parse.reasons import Reject


@dataclass(frozen=True)
class Progress:
    """How far one file is. `bytes_total` is None where the size is not known."""

    source: str
    bytes_done: int
    bytes_total: int | None
    rows_read: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class ImportResult:
    """What became of one file.

    A file refused as a whole has an `error`, and no id if it had no valid header. `same_as` names the import that had
    brought the same bytes. `resumed_at_byte` is not 0 when an interrupted import went on; the counts are of all of it.
    """

    source: str
    state: Literal["succeeded", "stopped", "failed", "canceled"]
    id: UUID | None = None
    kind: Kind | None = None
    rows_read: int = 0
    accepted: int = 0
    duplicate: int = 0
    corrected: int = 0
    rejected: int = 0
    cut_fractions: int = 0
    first_rejects: Sequence[Reject] = ()
    seconds: float = 0.0
    error: str | None = None
    same_as: UUID | None = None
    resumed_at_byte: int = 0
    quality: Mapping[str, object] | None = None
