"""Read what the page of insights shows, through the use cases that serve `/v1/insights`."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from services.api.context import ApiContext
from services.api.use_cases.data_versions import read_version
from services.api.use_cases.insights import (
    InsightChoice,
    MethodScores,
    RiskRow,
    begin_of,
    list_findings,
    list_risk,
    predict_store,
    read_skill,
)
from services.api.web.insight_lines import FINDING_KINDS, FindingLine, MethodLine, RiskLine
from services.api.web.insight_view import FindingList, InsightView
from shared.db.connect import autocommitting_async
from shared.keys import ApiKey

_STORES: Final = 10
_FINDINGS: Final = 20


async def read_insight_view(context: ApiContext, key: ApiKey, labels: Mapping[str, str]) -> InsightView:
    """Return the conclusions of the last run about the stores that the key may see and that have all labels."""
    choice = InsightChoice(key.visible, labels)
    async with autocommitting_async(context.pools.reading) as conn:
        methods = await read_skill(conn, key.visible)
        found = [
            await list_findings(conn, kind.kind, choice, after_place=-1, limit=_FINDINGS + 1)
            for kind in FINDING_KINDS
        ]
    of_risk = [each for each in methods if each.method.startswith("risk_")]
    by_name = {each.method: each for each in methods}
    begin = begin_of(methods, datetime.now(UTC)) if methods else None
    rows = await _recall_risk(context, choice, of_risk) if any(each.is_on for each in of_risk) else []
    lists = [
        FindingList(
            kind,
            MethodLine(by_name[kind.method]),
            [FindingLine(kind.kind, each, methods[0].as_of) for each in some[:_FINDINGS]],
            more=len(some) > _FINDINGS,
        )
        for kind, some in zip(FINDING_KINDS, found, strict=True)
        if kind.method in by_name
    ]
    risks = [RiskLine(predict_store(row, of_risk, begin)) for row in rows if begin]
    of_findings = [by_name[kind.method] for kind in FINDING_KINDS if kind.method in by_name]
    return InsightView([MethodLine(each) for each in (*of_risk, *of_findings)], risks, lists, begin)


async def _recall_risk(
    context: ApiContext, choice: InsightChoice, methods: Sequence[MethodScores]
) -> Sequence[RiskRow]:
    """Return the stores with the most expected down hours. Until live state changes, all who see the same stores share them."""
    async with autocommitting_async(context.pools.reading) as conn:
        version = await read_version(conn, "live")

    async def read() -> Sequence[RiskRow]:
        async with autocommitting_async(context.pools.reading) as conn:
            return await list_risk(conn, choice, methods, before=None, limit=_STORES)

    asked = ["risk", str(methods[0].run_id), choice.visible.labels, dict(choice.labels)]
    rows: Sequence[RiskRow] = await context.views_kept.read(json.dumps(asked, sort_keys=True), version, read)
    return rows
