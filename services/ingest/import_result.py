"""The result of an import, for those who print it. Imports nothing of the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.ingest.parse.kinds import Kind
from services.ingest.parse.reasons import Reject

# The reason if another file of the delivery was not loaded.
DELIVERY_INCOMPLETE = "delivery_incomplete"
NAMED_CULPRITS = 3  # of these other files; there may be thousands


@dataclass(frozen=True)
class FirstLoad:
    """The import that loaded the same bytes before: the name of its file, when it began, and its rejected rows."""

    source: str
    at: datetime
    rejected: int


@dataclass(frozen=True)
class ImportResult:
    """The outcome of one file.

    State `running`: its rows are staged, and wait for the other files of the delivery. A file that was refused as a whole
    has an `error` and its `reason`, and no id if it had no valid header. `same_as` is the import that loaded the same bytes
    before. `resumed_at_byte` is not 0 if an interrupted import resumed; the counts cover all of it. `refused`: files of the
    same delivery whose imports this one closed, because only all files together tell what is wrong with them.
    """

    source: str
    state: Literal["running", "succeeded", "stopped", "failed", "canceled"]
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
    reason: str | None = None
    same_as: UUID | None = None
    first_load: FirstLoad | None = None
    resumed_at_byte: int = 0
    quality: Mapping[str, object] | None = None
    refused: Sequence[UUID] = ()

    @property
    def is_held(self) -> bool:
        """Whether its rows did not take effect because another file of the delivery was not loaded."""
        return self.reason == DELIVERY_INCOMPLETE
