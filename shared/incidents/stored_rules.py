"""Alert rules as callers see them: set, list, get, remove. Callers who are limited see the rules of their stores only."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.audit import record_async
from shared.db.queries import queries
from shared.errors import AlertRuleNotFound, InvalidRequest, LimitReached
from shared.incidents.delivery import Delivery
from shared.incidents.terms import PARAMETERS, RuleKind, RuleTerms, check_rule_name
from shared.keys import StoreScope
from shared.texts import quoted

_SQL = queries("alert_rules")
# Each costs every evaluation a look at the stores that are not well.
MAX_RULES: Final = 50


@dataclass(frozen=True)
class StoredAlertRule:
    """An alert rule as stored."""

    name: str
    kind: str
    labels: Mapping[str, str]
    parameters: Mapping[str, Any]
    hold_open_minutes: int
    delivery: Mapping[str, Any]
    paused: bool
    changed_by: str | None
    changed_at: datetime
    open_incidents: int


async def set_rule(
    conn: AsyncConnection,
    name: str,
    terms: RuleTerms,
    delivery: Delivery,
    *,
    by: str,
    paused: bool = False,
) -> StoredAlertRule:
    """Add a rule or replace its terms. If it is paused or its kind changes, its incidents end.

    Raises `InvalidRequest`, `LimitReached`.
    """
    check_rule_name(name)
    async with conn.transaction():
        await conn.execute(_SQL["lock"])
        ((others,),) = await (await conn.execute(_SQL["count_others"], {"name": name})).fetchall()
        if others >= MAX_RULES:
            raise LimitReached(
                f"there are {others} alert rules, and the limit is {MAX_RULES}: remove one first"
            )
        await _refuse_unknown_channels(conn, delivery)
        row = {
            "name": name,
            "kind": terms.kind.value,
            "labels": Jsonb(dict(terms.labels)),
            "parameters": Jsonb(_known_before(terms)),
            "hold_open_minutes": terms.hold_open_minutes,
            "delivery": Jsonb(delivery.as_json()),
            "paused": paused,
            "changed_by": by,
        }
        await conn.execute(_SQL["set_rule"], row)
        ended = {"kind": None, "cause": "rule_paused"} if paused else {"cause": "rule_changed"}
        await conn.execute(_SQL["end_incidents"], {**row, **ended})
        details = {
            "kind": terms.kind.value,
            "labels": dict(terms.labels),
            "channels": [*delivery.all_channels],
            **({"paused": True} if paused else {}),
        }
        await record_async(conn, by, "alert_rule.set", name, **details)
        return await get_rule(conn, name, StoreScope())


async def remove_rule(conn: AsyncConnection, name: str, *, by: str) -> None:
    """Remove a rule and end its incidents. Raises `AlertRuleNotFound`."""
    async with conn.transaction():
        await conn.execute(_SQL["lock"])
        if not (await conn.execute(_SQL["remove_rule"], {"name": name})).rowcount:
            raise _missing(name)
        given = {"name": name, "kind": None, "cause": "rule_removed", "changed_by": by}
        await conn.execute(_SQL["end_incidents"], given)
        await record_async(conn, by, "alert_rule.removed", name)


async def list_rules(
    conn: AsyncConnection, visible: StoreScope, name: str | None = None
) -> list[StoredAlertRule]:
    """Return all rules by name, or the one with this name."""
    scope = None if visible.labels is None else Jsonb(dict(visible.labels))
    async with conn.cursor(row_factory=class_row(StoredAlertRule)) as cursor:
        found = await (await cursor.execute(_SQL["list_rules"], {"name": name, "scope": scope})).fetchall()
    return [replace(each, parameters={**_defaults(each.kind), **each.parameters}) for each in found]


async def get_rule(conn: AsyncConnection, name: str, visible: StoreScope) -> StoredAlertRule:
    """Return one rule. Raises `AlertRuleNotFound`."""
    found = await list_rules(conn, visible, name)
    if not found:
        raise _missing(name)
    return found[0]


def _known_before(terms: RuleTerms) -> dict[str, Any]:
    """Return the parameters to store. A new one that is off is left out, so the scheduler of the release before reads the rule."""
    return {
        name: value
        for name, value in terms.parameters.items()
        if value is not None or name != "false_alarms_per_year"
    }


def _defaults(kind: str) -> dict[str, Any]:
    return {name: each.default for name, each in PARAMETERS[RuleKind(kind)].items()}


async def _refuse_unknown_channels(conn: AsyncConnection, delivery: Delivery) -> None:
    asked = {"channels": list(delivery.all_channels)}
    unknown = await (await conn.execute(_SQL["unknown_channels"], asked)).fetchall()
    if unknown:
        raise InvalidRequest(
            f"channel {quoted(unknown[0][0])} does not exist: create it first, or leave it out",
            field="body.delivery.channels",
        )


def _missing(name: str) -> AlertRuleNotFound:
    return AlertRuleNotFound(
        f"alert rule {quoted(name)} does not exist, or has stores that this key may not see: check the name"
    )
