"""Imports as the ingest service describes them, as far as the page shows them. Fields of a later release are left out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

_UNFINISHED = ("queued", "running")
_MEANINGS = {
    "stopped": "A part of the file was refused because of its rows. The polls before it are loaded.",
    "failed": "The file was refused, or could not be read to its end. Of polls, what was committed before stays.",
    "canceled": "What was committed before stays.",
}


class ShownCounts(BaseModel):
    """What became of the rows."""

    rows_read: int = 0
    accepted: int = 0
    duplicate: int = 0
    corrected: int = 0
    rejected: int = 0


class ShownProgress(BaseModel):
    """How much of a file was read."""

    bytes_done: int = 0
    bytes_total: int | None = None


class ShownImport(BaseModel):
    """An import, or a file of one."""

    id: str
    state: str
    kind: str | None
    origin: str
    source: str
    counts: ShownCounts
    progress: ShownProgress
    same_as: str | None
    quality: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    created_at: datetime
    finished_at: datetime | None
    members: Sequence["ShownImport"] = ()

    @property
    def is_unfinished(self) -> bool:
        """Whether it waits or runs."""
        return self.state in _UNFINISHED

    @property
    def shown_state(self) -> str:
        """The state in one word."""
        return "skipped" if self.same_as and not self.counts.rows_read else self.state

    @property
    def meaning(self) -> str:
        """What a state means for the rows; empty if it speaks for itself."""
        return _MEANINGS.get(self.state, "")

    @property
    def can_be_canceled(self) -> bool:
        """Whether it is a load of files that has not ended."""
        return self.is_unfinished and self.origin in ("upload", "command")

    @property
    def fault(self) -> str:
        """Why it failed or stopped; empty if it did not."""
        return str((self.error or {}).get("message", "")) or str((self.error or {}).get("reason", ""))


class ShownImports(BaseModel):
    """A page of imports, newest first."""

    imports: Sequence[ShownImport]
    next: str | None


class ShownReject(BaseModel):
    """A row that was rejected, or would be."""

    line: int
    reason: str
    raw: str
    source: str = ""


class TriedFile(BaseModel):
    """What loading one file would give."""

    source: str
    kind: str | None
    state: str
    counts: ShownCounts
    first_rejects: Sequence[ShownReject]
    quality: Mapping[str, Any] | None
    error: str | None
    same_as: str | None = None


class TriedUpload(BaseModel):
    """What an upload would change."""

    files: Sequence[TriedFile]
