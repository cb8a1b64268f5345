"""Alert rules as resources: set, list, show, remove. The scheduler evaluates them."""

from typing import Annotated

from fastapi import APIRouter, Path, status
from pydantic import AfterValidator

from services.api.context import Context
from services.api.routes.facts import Admin
from services.api.routes.reports import Reader
from services.api.schemas.alert_rules import AlertRuleBody, AlertRuleList, AlertRulePut
from shared.db.connect import autocommitting_async, borrowed_async
from shared.errors import AlertRuleNotFound, LimitReached
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute
from shared.incidents.stored_rules import get_rule, list_rules, remove_rule, set_rule
from shared.texts import storable

router = APIRouter(route_class=UniqueNamesRoute, tags=["incidents"])
RuleName = Annotated[str, AfterValidator(storable), Path(description="The alert rule's name.")]


@router.put("/v1/alert-rules/{rule}", responses=answers(LimitReached))
async def put_alert_rule(context: Context, key: Admin, rule: RuleName, body: AlertRulePut) -> AlertRuleBody:
    """Add an alert rule, or replace its terms. If it is paused or its kind changes, its incidents end."""
    terms, delivery = body.to_terms(), body.delivery.to_delivery()
    async with autocommitting_async(context.pools.accepting) as conn:
        stored = await set_rule(conn, rule, terms, delivery, by=key.prefix, paused=body.paused)
    return AlertRuleBody.of_rule(stored)


@router.get("/v1/alert-rules")
async def read_alert_rules(context: Context, key: Reader) -> AlertRuleList:
    """List all alert rules by name."""
    async with borrowed_async(context.pools.reading) as conn:
        found = await list_rules(conn, key.visible)
    return AlertRuleList(alert_rules=[AlertRuleBody.of_rule(each) for each in found])


@router.get("/v1/alert-rules/{rule}", responses=answers(AlertRuleNotFound))
async def read_alert_rule(context: Context, key: Reader, rule: RuleName) -> AlertRuleBody:
    """Show an alert rule."""
    async with borrowed_async(context.pools.reading) as conn:
        return AlertRuleBody.of_rule(await get_rule(conn, rule, key.visible))


@router.delete(
    "/v1/alert-rules/{rule}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=answers(AlertRuleNotFound),
)
async def delete_alert_rule(context: Context, key: Admin, rule: RuleName) -> None:
    """Remove an alert rule. Its incidents end, and stay in the list."""
    async with autocommitting_async(context.pools.accepting) as conn:
        await remove_rule(conn, rule, by=key.prefix)
