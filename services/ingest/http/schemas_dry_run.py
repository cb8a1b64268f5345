"""The answer of a dry run of an upload."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.ingest.http.schemas_counts import ImportCountsBody
from services.ingest.http.schemas_import_parts import ImportState
from services.ingest.import_result import ImportResult
from services.ingest.parse.kinds import Kind


class RejectBody(BaseModel):
    """A row that would be rejected."""

    line: int
    byte_offset: int
    reason: str
    raw: str


class FirstLoadBody(BaseModel):
    """The import that loaded the same bytes before."""

    source: str = Field(description="The name of its file.")
    at: datetime = Field(description="When it began.")
    rejected: int = Field(description="Its rejected rows.")


class DryRunFileBody(BaseModel):
    """What loading one file would give."""

    source: str = Field(description="The name of the file.")
    kind: Kind | None = Field(description="Null: the file would be refused.")
    state: ImportState
    counts: ImportCountsBody
    first_rejects: list[RejectBody] = Field(description="The first rows that would be rejected.")
    quality: dict[str, Any] | None = Field(
        description="As of an import, and `plan`: `stores`, `new_stores` and the first of them, `first_date`, `last_date`,"
        " and `rows_removed` of hours."
    )
    error: str | None = Field(description="Why the file would be refused; otherwise null.")
    reason: str | None = Field(description="The code of the reason for that.", examples=["header"])
    same_as: UUID | None = Field(
        description="The import that loaded the same bytes before; otherwise null. Nothing would be loaded."
    )
    first_load: FirstLoadBody | None = Field(
        description="What is known of that import; null if it was forgotten."
    )
    seconds: float = Field(description="How long the dry run of the file took.", examples=[0.4])


class DryRunBody(BaseModel):
    """What an upload would change. Nothing was changed, and no import is listed."""

    files: list[DryRunFileBody]

    @classmethod
    def of_results(cls, results: Sequence[ImportResult]) -> Self:
        """Build the answer for the files of an upload."""
        return cls(files=[_describe_file(one) for one in results])


def _describe_file(one: ImportResult) -> DryRunFileBody:
    return DryRunFileBody(
        source=one.source,
        kind=one.kind,
        state=one.state,
        counts=ImportCountsBody(
            rows_read=one.rows_read,
            accepted=one.accepted,
            duplicate=one.duplicate,
            corrected=one.corrected,
            rejected=one.rejected,
        ),
        first_rejects=[
            RejectBody(
                line=each.line,
                byte_offset=each.byte_offset,
                reason=each.reason,
                raw=each.raw.decode("utf-8", "backslashreplace"),
            )
            for each in one.first_rejects
        ],
        quality=dict(one.quality) if one.quality else None,
        error=one.error,
        reason=one.reason,
        same_as=one.same_as,
        first_load=FirstLoadBody(**vars(one.first_load)) if one.first_load else None,
        seconds=one.seconds,
    )
