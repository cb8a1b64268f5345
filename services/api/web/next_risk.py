"""The risk of the next open hour of the stores that the view of now lists; nothing while its method has no proven skill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from services.api.use_cases.insights import HourRisk, begin_of, predict_store, read_risk, read_skill
from shared.insights.sentences import describe_skill, percent
from shared.keys import StoreScope
from shared.pictures.words import minute_of

_METHOD: Final = "risk_1h"


@dataclass(frozen=True)
class NextRisk:
    """The next open hour of each store by id, and the skill of the method in a sentence."""

    by_store: Mapping[str, HourRisk]
    skill: str


NO_RISK: Final = NextRisk({}, "")


async def read_next_risk(conn: AsyncConnection, visible: StoreScope, store_ids: Sequence[str]) -> NextRisk:
    """Return the risk of stores that the caller may see. None of it if the last run is too old to know of now."""
    now = datetime.now(UTC)
    methods = [each for each in await read_skill(conn, visible) if each.method == _METHOD and each.is_on]
    if not store_ids or not methods or begin_of(methods, now) != now:
        return NO_RISK
    rows = await read_risk(conn, store_ids)
    found = {row.store_id: predict_store(row, methods, now).hours[:1] for row in rows}
    by_store = {store_id: hours[0] for store_id, hours in found.items() if hours}
    return NextRisk(by_store, describe_skill(methods[0].reason, methods[0].skill["store_mean"]))


def risk_share(hour: HourRisk) -> str:
    """Return the probability for people."""
    return percent(hour.probability or 0.0)


def risk_words(hour: HourRisk, zone: ZoneInfo) -> str:
    """Say what the probability is of, in local time."""
    local = hour.at.astimezone(zone)
    return f"Down in the open hour from {local:%a} {minute_of(local)}: {risk_share(hour)}"
