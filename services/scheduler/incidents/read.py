"""Read what an evaluation looks at: rules, incidents that have not ended, and the stores that are not well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from psycopg.types.json import Jsonb

from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.incidents.chance import GroupCounts
from shared.incidents.delivery import Delivery
from shared.incidents.evaluate import FeedCounts, RuleInput
from shared.incidents.live_store import WatchedStore
from shared.incidents.machine import OpenIncident
from shared.incidents.terms import ANY_LABEL, RuleKind, RuleTerms

_SQL = queries("incidents")
_log = structlog.get_logger()
# Only stores in these states can have an incident opened.
_LOOKS_AT: Final[Mapping[RuleKind, str]] = {
    RuleKind.STORE_DOWN: "down",
    RuleKind.GROUP_DOWN: "down",
    RuleKind.LATE_OPENING: "down",
    RuleKind.STORE_SILENT: "silent",
}


@dataclass(frozen=True)
class StoredRule:
    """A rule with whom it tells."""

    name: str
    terms: RuleTerms
    delivery: Delivery


@dataclass(frozen=True)
class ToldSoFar:
    """What was told about an incident that has not ended."""

    is_acknowledged: bool
    reminders: int
    is_escalated: bool


@dataclass(frozen=True)
class Evaluation:
    """Everything that one evaluation looks at."""

    rules: Mapping[str, StoredRule]
    inputs: Sequence[RuleInput]
    incidents: Mapping[UUID, OpenIncident]
    progress: Mapping[UUID, ToldSoFar]
    orphans: Sequence[OpenIncident]  # of rules that are gone, or are of another kind now

    @property
    def has_more(self) -> bool:
        """Whether time alone may change something."""
        is_watched = any(
            given.incidents or given.terms.kind is RuleKind.FEED_SILENT or _may_open(given)
            for given in self.inputs
        )
        return is_watched or bool(self.orphans)


def _may_open(given: RuleInput) -> bool:
    wanted = _LOOKS_AT.get(given.terms.kind)
    return any(store.state == wanted for store in given.stores)


def read_evaluation(conn: psycopg.Connection, as_of_us: int) -> Evaluation:
    """Read it, in the caller's transaction."""
    rules, broken = _read_rules(conn)
    rows = [row for row in conn.execute(_SQL["open"]).fetchall() if row[1] not in broken]
    incidents = {row[0]: _as_incident(row) for row in rows}
    kinds = {row[0]: row[13] for row in rows}
    of_rule: dict[str, list[OpenIncident]] = {}
    orphans: list[OpenIncident] = []
    for incident_id, incident in incidents.items():
        rule = rules.get(incident.rule)
        is_orphan = rule is None or rule.terms.kind != kinds[incident_id]
        (orphans if is_orphan else of_rule.setdefault(incident.rule, [])).append(incident)
    stores = _read_stores(conn, rules, incidents.values(), as_of_us)
    return Evaluation(
        rules,
        [_make_input(conn, rule, of_rule.get(rule.name, []), stores, as_of_us) for rule in rules.values()],
        incidents,
        {row[0]: ToldSoFar(*row[14:17]) for row in rows},
        orphans,
    )


def _read_rules(conn: psycopg.Connection) -> tuple[dict[str, StoredRule], set[str]]:
    """Return the rules, and the names of those that cannot be used, which cost only themselves."""
    rules: dict[str, StoredRule] = {}
    broken: set[str] = set()
    for name, kind, labels, parameters, hold, delivery in conn.execute(_SQL["rules"]).fetchall():
        try:
            terms = RuleTerms(RuleKind(kind), labels, parameters, hold)
            rules[name] = StoredRule(name, terms, Delivery.from_json(delivery))
        except (InvalidRequest, AttributeError, TypeError, ValueError) as error:
            broken.add(name)
            _log.error("alert_rule_broken", rule=name, error=str(error))
    return rules, broken


def _as_incident(row: Sequence[Any]) -> OpenIncident:
    (
        incident_id,
        rule,
        subject,
        store_key,
        opened,
        proved,
        run,
        earliest,
        latest,
        calm,
        flaps,
        members,
        real,
    ) = row[:13]
    return OpenIncident(
        rule=rule,
        subject=subject,
        store_key=store_key,
        opened_us=opened,
        proved_us=proved,
        run_us=run,
        earliest_us=earliest,
        latest_us=latest,
        id=incident_id,
        calm_us=calm,
        flaps=flaps,
        members=dict(members),
        was_real=real,
    )


def _read_stores(
    conn: psycopg.Connection, rules: Mapping[str, StoredRule], incidents: Any, as_of_us: int
) -> list[WatchedStore]:
    if not any(rule.terms.kind in _LOOKS_AT for rule in rules.values()):
        return []
    keys = {
        key for incident in incidents for key in (incident.store_key, *incident.members) if key is not None
    }
    asked = {"store_keys": sorted(keys), "as_of_us": as_of_us}
    return [WatchedStore(*row) for row in conn.execute(_SQL["stores"], asked, prepare=False).fetchall()]


def _make_input(
    conn: psycopg.Connection,
    rule: StoredRule,
    incidents: Sequence[OpenIncident],
    stores: Sequence[WatchedStore],
    as_of_us: int,
) -> RuleInput:
    terms, state = rule.terms, _LOOKS_AT.get(rule.terms.kind)
    asked: dict[str, Any] = {"labels": Jsonb(dict(terms.labels)), "as_of_us": as_of_us, **terms.parameters}
    keys = {key for incident in incidents for key in (incident.store_key, *incident.members)}
    looked_at = [
        store for store in stores if store.key in keys or (store.state == state and store.has(terms.labels))
    ]
    feed, groups, level = FeedCounts(), GroupCounts(), None
    if terms.kind is RuleKind.FEED_SILENT:
        feed = FeedCounts(*conn.execute(_SQL["feed"], asked).fetchall()[0])
    elif terms.kind is RuleKind.GROUP_DOWN and looked_at:
        groups = _count_groups(conn, terms, asked)
    elif terms.kind is RuleKind.SERVICE_LEVEL_AT_RISK:
        row = conn.execute(_SQL["level_state"], {"name": terms.parameters["service_level"]}).fetchone()
        level = row[0] if row else None
    return RuleInput(rule.name, terms, looked_at, incidents, feed, groups, level)


def _count_groups(conn: psycopg.Connection, terms: RuleTerms, asked: Mapping[str, Any]) -> GroupCounts:
    query = "count_any_label" if terms.parameters["by"] == ANY_LABEL else "count_by_value"
    rows = conn.execute(_SQL[query], asked).fetchall()
    of_open, of_up = ({row[0]: row[place] for row in rows} for place in (1, 2))
    if terms.parameters["false_alarms_per_year"] is None:
        return GroupCounts(of_open, of_up)
    ((open_of_all, up_of_all),) = conn.execute(_SQL["count_stores"], asked).fetchall()
    usual: dict[str, float] = dict(conn.execute(_SQL["usual_rates"]).fetchall())
    return GroupCounts(of_open, of_up, open_of_all, up_of_all, usual)
