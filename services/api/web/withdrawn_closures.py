"""Closures of a store that were withdrawn, as the ingest service describes them."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from services.api.context import ApiContext
from shared.clock import to_us

_MOST = 20


class WithdrawnClosure(BaseModel):
    """A closure as it was last, and who withdrew it."""

    id: str
    starts_at: datetime
    ends_at: datetime | None
    treatment: str
    reason: str
    note: str
    declared_by: str | None
    declared_at: datetime
    withdrawn_by: str | None
    withdrawn_at: datetime

    @property
    def starts_us(self) -> int:
        return to_us(self.starts_at)

    @property
    def ends_us(self) -> int | None:
        return to_us(self.ends_at) if self.ends_at else None


class _Page(BaseModel):
    closures: Sequence[WithdrawnClosure]


async def read_withdrawn(context: ApiContext, token: str, store_id: str) -> Sequence[WithdrawnClosure]:
    """Return the withdrawn closures that name the store, latest start first."""
    asked = {"store_id": store_id, "withdrawn": "true", "limit": _MOST}
    answer = await context.ingest.ask(token, "GET", "/v1/closures", params=asked)
    return _Page.model_validate(answer).closures
