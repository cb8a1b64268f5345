"""Queries of live state. Unknown parameters are refused."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.api.schemas.stores import known_labels
from services.api.use_cases.live import LiveChoice, LivePosition
from shared.errors import InvalidRequest
from shared.http.cursors import invalid_cursor, read_text_cursor, text_cursor
from shared.keys import StoreScope
from shared.labels import label_fault, parse_labels
from shared.uptime.live import LiveState


class NowSort(StrEnum):
    """The order of stores. With a minus the largest comes first; stores without a value count as the smallest."""

    STORE_ID = "store_id"
    SINCE = "since"
    NEWEST_SINCE = "-since"
    LAST_POLL = "last_poll"
    NEWEST_LAST_POLL = "-last_poll"
    LONGEST_DOWN = "-down"


class NowChoice(BaseModel):
    """Which stores."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[list[str], AfterValidator(known_labels)] = Field(
        default=[], description="A label as `NAME:VALUE`. Repeat it for stores that have all of the labels."
    )
    state: list[LiveState] = Field(
        default=[], max_length=7, description="A state. Repeat it for stores in any of the states."
    )

    def to_choice(self, visible: StoreScope, text: str | None = None) -> LiveChoice:
        """Return which stores the caller chose, of those that it may see."""
        return LiveChoice(visible, parse_labels(self.label, separator=":"), self.state, text)


class NowQuery(NowChoice):
    """Which stores, and the position in the list of them."""

    text: str | None = Field(
        default=None,
        max_length=200,
        description="Only stores with this text in their id or name, in any case.",
    )
    sort: NowSort = Field(
        default=NowSort.STORE_ID,
        description="`-since`: the latest change first. `-down`: most open minutes down first.",
    )
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most stores to return.")

    def position(self) -> LivePosition | None:
        """Return where the page begins. Raises `InvalidRequest` for the cursor of another order."""
        text = read_text_cursor(self.cursor)
        if text is None:
            return None
        sort, _, rest = text.partition(" ")
        place, _, store_id = rest.partition(" ")
        if sort != self.sort:
            raise InvalidRequest(
                f'the cursor belongs to sort={sort[:20]}: pass the "next" value together with the same sort',
                field="query.cursor",
            )
        try:
            found = int(place)
        except ValueError:
            raise invalid_cursor() from None
        if abs(found) >= 1 << 63:
            raise invalid_cursor()
        return LivePosition(found, store_id)

    def cursor_after(self, position: LivePosition) -> str:
        """Return the cursor of the page after a store."""
        return text_cursor(f"{self.sort.value} {position.place} {position.store_id}")


def _known_label_name(name: str) -> str:
    fault = label_fault(name, "x")
    if fault is not None:
        raise ValueError(fault)
    return name


class NowSummaryQuery(BaseModel):
    """Which stores are counted, and the label whose values are counted apart."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[list[str], AfterValidator(known_labels)] = Field(
        default=[], description="A label as `NAME:VALUE`. Repeat it for stores that have all of the labels."
    )
    by: Annotated[str, AfterValidator(_known_label_name)] | None = Field(
        default=None, description="The name of a label: the stores are also counted for each of its values."
    )
