"""Request and answer bodies for the words that polls may give as their reason."""

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, Field

from services.ingest.http.reason_words import ReasonRow
from shared.http.bodies import RequestBody


class ReasonChange(RequestBody):
    """Body of `PUT /v1/reasons/{word}`."""

    description: str = Field(
        default="",
        max_length=200,
        description="What the word means.",
        examples=["The oven is broken."],
    )


class ReasonBody(BaseModel):
    """A word that polls may give as their reason."""

    word: str = Field(examples=["paused_by_store"])
    description: str
    is_builtin: bool = Field(description="Whether the word came with the release.")

    @classmethod
    def of_row(cls, row: ReasonRow) -> Self:
        """Build the answer for a word."""
        return cls(word=row.word, description=row.description, is_builtin=row.is_builtin)


class ReasonList(BaseModel):
    """All words."""

    reasons: Sequence[ReasonBody]
