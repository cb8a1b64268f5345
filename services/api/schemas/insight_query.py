"""Queries of insights. Unknown parameters are refused."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.api.schemas.stores import known_labels
from services.api.use_cases.insights import InsightChoice
from shared.http.cursors import invalid_cursor, read_text_cursor
from shared.keys import StoreScope
from shared.labels import parse_labels
from shared.texts import storable

_MOST_PLACES = 1 << 31


class InsightQuery(BaseModel):
    """Which stores, and the position in the list."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[list[str], AfterValidator(known_labels)] = Field(
        default=[], description="A label as `NAME:VALUE`. Repeat it for stores that have all of the labels."
    )
    store: Annotated[str, AfterValidator(storable)] | None = Field(
        default=None, max_length=1_024, description="Only the store with this id."
    )
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most entries to return.")

    def to_choice(self, visible: StoreScope) -> InsightChoice:
        """Return which stores the caller chose, of those that it may see."""
        return InsightChoice(visible, parse_labels(self.label, separator=":"), self.store)

    def after_place(self) -> int:
        """Return the place after which a page of findings begins. Raises `InvalidRequest` for a malformed cursor."""
        text = read_text_cursor(self.cursor)
        if text is None:
            return -1
        if not text.isascii() or not text.isdigit() or int(text) >= _MOST_PLACES:
            raise invalid_cursor()
        return int(text)

    def risk_position(self) -> tuple[int, str] | None:
        """Return the place and the store after which a page of risks begins. Raises `InvalidRequest` likewise."""
        text = read_text_cursor(self.cursor)
        if text is None:
            return None
        place, _, store_id = text.partition(" ")
        digits = place.removeprefix("-")
        if not digits.isascii() or not digits.isdigit() or int(digits) >= 1 << 62:
            raise invalid_cursor()
        return int(place), store_id
