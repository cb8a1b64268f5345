"""The page's view of the fleet: thirty days from the daily facts, beside the thirty days before, and service levels."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.api.context import Context
from services.api.schemas.parameters import KnownPolicy
from services.api.use_cases.fleet_hours import recall_fleet_hours
from services.api.web.error_page import PAGE_TAG
from services.api.web.fleet_grid import FleetGrid
from services.api.web.fleet_levels import LevelLine
from services.api.web.read_fleet import DAYS, MOST_LINES, FleetChoice, read_fleet
from services.api.web.render import render
from services.api.web.require_session import PageReader
from services.api.web.search import parse_search
from shared.db.connect import borrowed_async
from shared.service_levels.stored import list_levels
from shared.uptime.policy import DEFAULT_POLICY, POLICIES, can_add_days

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
_POLICIES = [name for name, policy in POLICIES.items() if can_add_days(policy)]


class FleetQuery(BaseModel):
    """Which stores, how to group them, and the policy."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(default="", max_length=1024)
    by: str = Field(default="", max_length=200)
    policy: KnownPolicy = DEFAULT_POLICY


@router.get("/fleet")
async def show_fleet(
    context: Context, key: PageReader, request: Request, chosen: Annotated[FleetQuery, Query()]
) -> Response:
    """Show the fleet, or the stores with some labels."""
    _, labels = parse_search(chosen.q, labels_only=True)
    view = await read_fleet(context, key, FleetChoice(chosen.policy, labels, chosen.by.strip()))
    hours = await recall_fleet_hours(context, key, labels)
    async with borrowed_async(context.pools.reading) as conn:
        levels = await list_levels(conn, key.visible)
    return render(
        request,
        "fleet.html",
        view=view,
        hours=hours and FleetGrid.of_hours(hours),
        chosen=chosen,
        levels=[LevelLine.of_level(level) for level in levels],
        policies=_POLICIES,
        days=DAYS,
        most_lines=MOST_LINES,
    )
