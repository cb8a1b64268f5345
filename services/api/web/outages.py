"""The page's view of a day's outages: which stores were down yesterday evening, and where the reason is."""

from datetime import date, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from services.api.context import Context
from services.api.schemas.parameters import KnownPolicy
from services.api.web.error_page import PAGE_TAG
from services.api.web.read_outages import SHOWN_STORES, OutageDayChoice, read_outage_day, read_shown_names
from services.api.web.render import render
from services.api.web.require_session import PageReader
from services.api.web.search import LONGEST_SEARCH, parse_search
from shared.uptime.policy import DEFAULT_POLICY, POLICIES

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
_EARLIEST, _LATEST = date(1970, 1, 5), date(2099, 12, 31)
PartName = Literal["day", "night", "morning", "afternoon", "evening"]
PARTS: Final[dict[PartName, tuple[int, int]]] = {
    "day": (0, 24),
    "night": (0, 6),
    "morning": (6, 12),
    "afternoon": (12, 18),
    "evening": (18, 24),
}


class OutageDayQuery(BaseModel):
    """The date, the part of it, and the stores. A form also sends the fields that nobody filled in."""

    model_config = ConfigDict(extra="forbid")

    day: Annotated[date, Field(ge=_EARLIEST, le=_LATEST)] | Literal[""] = ""
    part: PartName = "day"
    policy: KnownPolicy = DEFAULT_POLICY
    q: str = Field(default="", max_length=LONGEST_SEARCH)


@router.get("/outages")
async def show_outages(
    context: Context, key: PageReader, request: Request, chosen: Annotated[OutageDayQuery, Query()]
) -> Response:
    """Show the stores with downtime in a part of a day, the most first."""
    _, labels = parse_search(chosen.q, labels_only=True)
    choice = OutageDayChoice(chosen.policy, chosen.day or None, PARTS[chosen.part], labels)
    view = await read_outage_day(context, key, choice)
    names = await read_shown_names(context, view)

    def build() -> Response:
        return render(
            request,
            "outages.html",
            view=view,
            names=names,
            chosen=chosen,
            parts=PARTS,
            policies=list(POLICIES),
            shown=SHOWN_STORES,
            one_day=timedelta(days=1),
        )

    return await run_in_threadpool(build)
