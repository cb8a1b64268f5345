"""The page's view of the policies side by side, for one store in one week."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from services.api.context import Context, OneStoreTurn
from services.api.schemas.store_policies import StorePoliciesBody
from services.api.use_cases.policy_differences import farthest_policy
from services.api.web.choose_week import StoreChoice
from services.api.web.error_page import PAGE_TAG
from services.api.web.read_week import read_week
from services.api.web.render import render
from services.api.web.require_session import PageReader
from services.api.web.stores import WeekQuery
from shared.uptime.policy import POLICIES

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])


@router.get("/policies/{store_id:path}")
async def compare_policies(
    context: Context,
    key: PageReader,
    turn: OneStoreTurn,
    request: Request,
    store_id: Annotated[str, Path()],
    chosen: Annotated[WeekQuery, Query()],
) -> Response:
    """Show what each policy makes of the week, and where they differ from the chosen one."""
    others = [name for name in POLICIES if name != chosen.policy]
    names = [chosen.policy, *others]
    week = await read_week(context, key, store_id, StoreChoice(farthest_policy(names), chosen.week))

    def build() -> Response:
        body = StorePoliciesBody.of_input(week.given, names)
        return render(request, "policies.html", week=week, body=body, policy=chosen.policy)

    return await turn.run(week.given.weight * len(names), build)
