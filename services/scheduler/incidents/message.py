"""What a message says about incidents of one rule. Must not know channels or the database."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from services.scheduler.incidents.read import StoredRule
from shared.channels.notice import MAX_MEMBERS, EventName, Notice
from shared.clock import from_us
from shared.incidents.groups import group_label
from shared.incidents.machine import OpenIncident
from shared.incidents.terms import RuleKind
from shared.store_names import display_name

_SECOND_US: Final = 1_000_000
_WORDS: Final[Mapping[RuleKind, tuple[str, str]]] = {
    RuleKind.STORE_DOWN: ("store is down", "stores are down"),
    RuleKind.STORE_SILENT: ("store sends no polls", "stores send no polls"),
    RuleKind.FEED_SILENT: ("the feed is silent", "feeds are silent"),
    RuleKind.GROUP_DOWN: ("group of stores is down", "groups of stores are down"),
    RuleKind.LATE_OPENING: ("store has not opened", "stores have not opened"),
    RuleKind.SERVICE_LEVEL_AT_RISK: ("service level is at risk", "service levels are at risk"),
}


class ToldStore(NamedTuple):
    """What a message says of a store."""

    store_id: str
    zone: str
    name: str | None = None


class ToldIncident(NamedTuple):
    """An incident and what was seen."""

    incident: OpenIncident
    evidence: Mapping[str, Any]


def make_notice(
    event: EventName, rule: StoredRule, told: Sequence[ToldIncident], stores: Mapping[int, ToldStore]
) -> Notice:
    """Return the notice about incidents of one rule. If there are several, it names stores and counts."""
    first, evidence = told[0]
    keys = [key for each, _ in told for key in ([each.store_key] if each.store_key else each.members)]
    members = [stores[key].store_id for key in keys[:MAX_MEMBERS] if key in stores]
    one, many = _WORDS[rule.terms.kind]
    alone = len(told) == 1
    earliest = [each.earliest_us for each, _ in told]
    known = [at for at in earliest if at is not None]
    return Notice(
        event=event,
        what=one if alone else f"{len(told):,} {many}",
        where=_where(first, rule, stores) if alone else _labels(rule.terms.labels),
        since_after=from_us(min(known)) if len(known) == len(told) else None,
        since_by=from_us(min(each.latest_us for each, _ in told)),
        polls=evidence.get("inactive_polls") if alone else None,
        compared_with=_condition(rule),
        detection_delay_s=_delay_s(rule, evidence) if alone else None,
        link=f"/incidents/{first.id}" if alone else f"/incidents?state=not_ended&rule={quote(rule.name)}",
        members=members,
        member_names=[stores[key].name for key in keys[:MAX_MEMBERS] if key in stores],
        member_count=len(keys),
        subject_id=first.id if alone else None,
    )


def _where(incident: OpenIncident, rule: StoredRule, stores: Mapping[int, ToldStore]) -> str:
    if incident.store_key is not None:
        store = stores.get(incident.store_key)
        return display_name(store.store_id, store.name) if store else ""
    if rule.terms.kind is RuleKind.GROUP_DOWN:
        return "=".join(group_label(rule.terms, incident.subject))
    return incident.subject or _labels(rule.terms.labels)


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items())) or "all stores"


def _condition(rule: StoredRule) -> str:
    """Return the condition of the rule as its parameters."""
    return ", ".join(
        f"{name.replace('_', ' ')}: {value}"
        for name, value in rule.terms.parameters.items()
        if value is not None
    )


def _delay_s(rule: StoredRule, evidence: Mapping[str, Any]) -> int | None:
    """Return how long the cadence of polls makes it take to notice."""
    polls = rule.terms.parameters.get("inactive_polls", rule.terms.parameters.get("missed_polls"))
    gap_us = evidence.get("usual_gap_us")
    return None if polls is None or gap_us is None else int(polls * gap_us) // _SECOND_US
