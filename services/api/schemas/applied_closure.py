"""The answer body for a closure that an explanation refers to."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, Self

from pydantic import BaseModel, Field

from shared.clock import from_us
from shared.uptime.store_terms import StoreClosure

MOST_CLOSURES: Final = 1_000  # in one answer
Treatment = Literal["exclude", "as_up", "ignore"]


class AppliedClosureBody(BaseModel):
    """A closure that applied to the store. Those with the treatment `ignore` change no number."""

    id: str
    store_id: str | None = Field(
        description="The store; `*` stands for every store; null if `labels` decide."
    )
    labels: Mapping[str, str] | None = Field(description="The stores' labels; null if `store_id` decides.")
    starts_at: datetime
    ends_at: datetime | None
    treatment: Treatment
    reason: str
    note: str

    @classmethod
    def of_closure(cls, closure: StoreClosure, store_id: str) -> Self:
        """Build the answer for a closure that applies to a store."""
        return cls(
            id=closure.id,
            store_id=_name_target(closure, store_id),
            labels=closure.labels or None,
            starts_at=from_us(closure.starts_us),
            ends_at=None if closure.ends_us is None else from_us(closure.ends_us),
            treatment=closure.treatment.name.lower(),
            reason=closure.reason,
            note=closure.note,
        )


def list_closures(closures: Sequence[StoreClosure], store_id: str) -> list[AppliedClosureBody]:
    """Build the answer for the first closures that apply to a store."""
    return [AppliedClosureBody.of_closure(each, store_id) for each in closures[:MOST_CLOSURES]]


def _name_target(closure: StoreClosure, store_id: str) -> str | None:
    if closure.labels is None:
        return store_id
    return None if closure.labels else "*"
