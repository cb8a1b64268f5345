"""The page's view of insights: how far each method can be believed, and what those that are on have found."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.api.context import Context
from services.api.web.error_page import PAGE_TAG
from services.api.web.read_insights import read_insight_view
from services.api.web.render import render
from services.api.web.require_session import PageReader
from services.api.web.search import LONGEST_SEARCH, parse_search

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])


class InsightsQuery(BaseModel):
    """Which stores, by their labels."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(default="", max_length=LONGEST_SEARCH)


@router.get("/insights")
async def show_insights(
    context: Context, key: PageReader, request: Request, chosen: Annotated[InsightsQuery, Query()]
) -> Response:
    """Show what the last run concluded about all stores, or about those with some labels."""
    _, labels = parse_search(chosen.q, labels_only=True)
    view = await read_insight_view(context, key, labels)
    return render(request, "insights.html", view=view, chosen=chosen)
