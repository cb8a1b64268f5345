"""The answer body for a closure that an explanation refers to."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel

from shared.clock import from_us
from shared.uptime.store_terms import StoreClosure

Treatment = Literal["exclude", "as_up", "ignore"]


class AppliedClosureBody(BaseModel):
    """A closure that applied to the store. Those with the treatment `ignore` change no number."""

    id: str
    starts_at: datetime
    ends_at: datetime | None
    treatment: Treatment
    reason: str
    note: str

    @classmethod
    def of_closure(cls, closure: StoreClosure) -> Self:
        """Build the answer for a closure."""
        return cls(
            id=closure.id,
            starts_at=from_us(closure.starts_us),
            ends_at=None if closure.ends_us is None else from_us(closure.ends_us),
            treatment=closure.treatment.name.lower(),
            reason=closure.reason,
            note=closure.note,
        )
