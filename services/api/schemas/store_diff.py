"""The answer body for what differs in one store between two reports."""

from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, Field

from services.api.schemas.diff_cause import CauseBody
from services.api.use_cases.diff import DiffRow
from shared.reports.compare import Presence

_TEXT_COLUMNS = {"timezone"}


class ChangedValueBody(BaseModel):
    """One column of a store that differs."""

    column: str = Field(examples=["downtime_last_day"])
    before: int | float | str | None = Field(
        description="The value in the report `against`; null without a row."
    )
    after: int | float | str | None = Field(description="The value in this report; null without a row.")


class StoreDiffBody(BaseModel):
    """A store whose numbers differ."""

    store_id: str
    presence: Presence = Field(
        description="`changed`: in both reports. `added`: only in this report. `removed`: only in the report `against`."
    )
    values: Sequence[ChangedValueBody]
    causes: Sequence[CauseBody]

    @classmethod
    def of_diff(cls, store: DiffRow) -> Self:
        """Build the body of a store."""
        return cls(
            store_id=store.difference.store_id,
            presence=store.difference.presence,
            values=[
                ChangedValueBody(column=name, before=_value(name, before), after=_value(name, after))
                for name, (before, after) in store.difference.values.items()
            ],
            causes=[CauseBody.model_validate(vars(cause)) for cause in store.causes],
        )


def _value(column: str, text: str | None) -> int | float | str | None:
    if text is None or column in _TEXT_COLUMNS:
        return text
    # A mean that divides by nothing is empty.
    if not text:
        return None
    return float(text) if "." in text else int(text)
