"""Insights: the risk of the next hours, findings, and how far each method can be believed on this fleet."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.api.context import Context
from services.api.routes.reports import NO_STORE, Reader
from services.api.schemas.insight_query import InsightQuery
from services.api.schemas.insights import (
    FindingBody,
    FindingPage,
    MethodBody,
    RiskPage,
    SkillList,
    StoreRiskBody,
)
from services.api.use_cases.insights import (
    begin_of,
    list_findings,
    list_risk,
    predict_store,
    read_skill,
    visible_group_rate,
)
from shared.db.connect import borrowed_async
from shared.http.cursors import cut_page, text_cursor
from shared.http.unique_names import UniqueNamesRoute

router = APIRouter(route_class=UniqueNamesRoute, tags=["insights"])
Chosen = Annotated[InsightQuery, Query()]
_METHODS = {"pattern": "patterns", "cause": "causes", "drift": "drift"}


@router.get("/v1/insights/skill")
async def read_insight_skill(context: Context, key: Reader, response: Response) -> SkillList:
    """Show how well each method would have done on the last four weeks of this fleet, and which are off."""
    async with borrowed_async(context.pools.reading) as conn:
        methods = await read_skill(conn, key.visible)
    response.headers.update(NO_STORE)
    return SkillList(methods=[MethodBody.of_method(each) for each in methods])


@router.get("/v1/insights/risk")
async def read_risk(context: Context, key: Reader, response: Response, chosen: Chosen) -> RiskPage:
    """List the stores that are most likely to be down in their next 24 open hours, and why."""
    choice, before = chosen.to_choice(key.visible), chosen.risk_position()
    async with borrowed_async(context.pools.reading) as conn:
        methods = [each for each in await read_skill(conn, key.visible) if each.method.startswith("risk_")]
        found = await list_risk(conn, choice, methods, before=before, limit=chosen.limit + 1)
    page, last = cut_page(found, chosen.limit)
    begin = begin_of(methods, datetime.now(UTC)) if methods else None
    response.headers.update(NO_STORE)
    return RiskPage(
        methods=[MethodBody.of_method(each) for each in methods],
        begins_at=begin,
        stores=[
            StoreRiskBody.of_store(
                predict_store(row, methods, begin), visible_group_rate(row, methods, key.visible)
            )
            for row in page
            if begin
        ],
        next=None if last is None else text_cursor(f"{last.place} {last.store_id}"),
    )


@router.get("/v1/insights/patterns")
async def read_patterns(context: Context, key: Reader, response: Response, chosen: Chosen) -> FindingPage:
    """List the hours of the week in which stores are down again and again, such as late openings on Sundays."""
    return await _find(context, key, response, chosen, "pattern")


@router.get("/v1/insights/causes")
async def read_causes(context: Context, key: Reader, response: Response, chosen: Chosen) -> FindingPage:
    """List the labels whose stores went down together in the last week, more often than chance explains."""
    return await _find(context, key, response, chosen, "cause")


@router.get("/v1/insights/drift")
async def read_drift(context: Context, key: Reader, response: Response, chosen: Chosen) -> FindingPage:
    """List the stores, and the labels, whose down time changed for worse or better within eight weeks, and since when."""
    return await _find(context, key, response, chosen, "drift")


async def _find(
    context: Context, key: Reader, response: Response, chosen: InsightQuery, kind: str
) -> FindingPage:
    choice, after_place = chosen.to_choice(key.visible), chosen.after_place()
    async with borrowed_async(context.pools.reading) as conn:
        methods = {each.method: each for each in await read_skill(conn, key.visible)}
        found = await list_findings(conn, kind, choice, after_place=after_place, limit=chosen.limit + 1)
    page, last = cut_page(found, chosen.limit)
    method = methods.get(_METHODS[kind])
    response.headers.update(NO_STORE)
    return FindingPage(
        method=None if method is None else MethodBody.of_method(method),
        findings=[FindingBody.of_finding(each) for each in page],
        next=None if last is None else text_cursor(str(last.place)),
    )
