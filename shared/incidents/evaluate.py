"""Evaluate alert rules: from live states and incidents that have not ended to what changes. Pure.

Feeds come before groups, and groups before stores, because the former suppress the latter. The loops are over stores that are
not well and over stores of incidents only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from shared.incidents.chance import GroupCounts
from shared.incidents.findings import LEFT_RULE, UNCLEAR, RuleFinding, Verdict, judge_store
from shared.incidents.groups import DownStores, advance_group
from shared.incidents.live_store import MINUTE_US, WatchedStore
from shared.incidents.machine import ENDS, Change, EventKind, OpenIncident, advance, open_incident
from shared.incidents.terms import RuleKind, RuleTerms

ORDER: Final = (
    RuleKind.FEED_SILENT,
    RuleKind.GROUP_DOWN,
    RuleKind.STORE_DOWN,
    RuleKind.STORE_SILENT,
    RuleKind.LATE_OPENING,
    RuleKind.SERVICE_LEVEL_AT_RISK,
)
_STORE_KINDS: Final = {RuleKind.STORE_DOWN, RuleKind.STORE_SILENT, RuleKind.LATE_OPENING}


@dataclass(frozen=True)
class FeedCounts:
    """Of the stores of a feed: how many are open, how many of these are quiet, and the newest poll of the quiet ones."""

    open: int = 0
    quiet: int = 0
    newest_us: int | None = None


@dataclass(frozen=True)
class RuleInput:
    """A rule with what it looks at.

    `stores` has at least those of the rule that are down, silent or unknown, and those of its incidents. `groups` counts the
    stores of groups. `level_state` is that of the service level; None: not evaluated.
    """

    name: str
    terms: RuleTerms
    stores: Sequence[WatchedStore] = ()
    incidents: Sequence[OpenIncident] = ()
    feed: FeedCounts = FeedCounts()
    groups: GroupCounts = field(default_factory=GroupCounts)
    level_state: str | None = None

    @property
    def hold_us(self) -> int:
        return self.terms.hold_open_minutes * MINUTE_US


@dataclass
class Suppression:
    """What rules evaluated before keep from having incidents of their own."""

    feeds: list[tuple[Mapping[str, str], int]] = field(default_factory=list)
    members: dict[int, OpenIncident] = field(default_factory=dict)

    def is_fed(self, store: WatchedStore) -> bool:
        """Whether the store belongs to a feed that is silent."""
        return any(store.has(labels) for labels, _ in self.feeds)

    def is_held(self, store: WatchedStore, now_us: int) -> bool:
        """Whether what is known about the store is old because its feed is silent."""
        return any(store.has(labels) and store.is_quiet(now_us, missed) for labels, missed in self.feeds)


def evaluate(rules: Iterable[RuleInput], now_us: int) -> list[Change]:
    """Return all changes, in the order in which they happen."""
    ordered = sorted(rules, key=lambda rule: (ORDER.index(rule.terms.kind), rule.name))
    suppression, changes = Suppression(), list[Change]()
    for rule in ordered:
        if rule.terms.kind in _STORE_KINDS:
            found = _evaluate_stores(rule, suppression, now_us)
        elif rule.terms.kind is RuleKind.GROUP_DOWN:
            found = _evaluate_groups(rule, suppression, now_us)
        else:
            found = _evaluate_one(rule, suppression, now_us)
        changes.extend(found)
    return changes


def _evaluate_one(rule: RuleInput, suppression: Suppression, now_us: int) -> list[Change]:
    """A rule with one subject: a feed, or a service level."""
    is_feed = rule.terms.kind is RuleKind.FEED_SILENT
    subject = "" if is_feed else str(rule.terms.parameters["service_level"])
    finding = _judge_feed(rule, now_us) if is_feed else _judge_level(rule)
    changes: list[Change] = []
    after: OpenIncident | None = None
    for incident in rule.incidents:
        changes += advance(
            incident, finding if incident.subject == subject else LEFT_RULE, now_us, rule.hold_us
        )
        if incident.subject == subject:
            after = incident
    is_open = after is not None and not any(
        change.event in ENDS and change.incident.subject == subject for change in changes
    )
    if after is None and finding.verdict is Verdict.HOLDS:
        changes.append(_opened(rule.name, subject, None, finding, now_us))
        is_open = True
    if is_feed and is_open:
        suppression.feeds.append((rule.terms.labels, rule.terms.parameters["missed_polls"]))
    return changes


def _judge_feed(rule: RuleInput, now_us: int) -> RuleFinding:
    feed, given = rule.feed, rule.terms.parameters
    if feed.open < given["min_stores"]:
        return UNCLEAR
    if feed.quiet < given["share"] * feed.open:
        return RuleFinding(Verdict.CALM)
    counted = {"stores_open": feed.open, "stores_quiet": feed.quiet}
    return RuleFinding(Verdict.HOLDS, feed.newest_us, now_us, evidence=counted)


def _judge_level(rule: RuleInput) -> RuleFinding:
    match rule.level_state:
        case "at_risk" | "missed":
            return RuleFinding(Verdict.HOLDS, evidence={"state": rule.level_state})
        case "ok":
            return RuleFinding(Verdict.CALM)
    return UNCLEAR


def _evaluate_groups(rule: RuleInput, suppression: Suppression, now_us: int) -> list[Change]:
    stores = {store.key: store for store in rule.stores}
    down = [
        store
        for store in rule.stores
        if store.state == "down" and store.has(rule.terms.labels) and not suppression.is_held(store, now_us)
    ]
    groups = DownStores(rule.terms, down, rule.groups, now_us)
    groups.take(key for incident in rule.incidents for key in incident.members)
    changes: list[Change] = []
    known = {incident.subject for incident in rule.incidents}
    # A store that could join several joins the narrowest.
    for incident in sorted(rule.incidents, key=lambda each: (groups.width(each.subject), each.subject)):
        group = groups.group(incident.subject, incident.members)
        found = advance_group(incident, group, stores, rule.terms, now_us)
        changes += found
        after = found[-1].incident if found else incident
        groups.take(after.members)
        if not found or found[-1].event not in ENDS:
            suppression.members.update(dict.fromkeys(after.members, after))
    for subject, group in groups.groups():
        if subject not in known:
            change = _opened(rule.name, subject, None, group.finding, now_us, members=group.runs)
            changes.append(change)
            groups.take(group.runs)
            suppression.members.update(dict.fromkeys(group.runs, change.incident))
    return changes


def _evaluate_stores(rule: RuleInput, suppression: Suppression, now_us: int) -> list[Change]:
    by_store = {incident.store_key: incident for incident in rule.incidents}
    changes: list[Change] = []
    for store in rule.stores:
        incident = by_store.pop(store.key, None)
        if not store.has(rule.terms.labels):
            finding = LEFT_RULE
        else:
            finding = _suppressed(rule, store, suppression, now_us) or judge_store(rule.terms, store, now_us)
        if incident is not None:
            changes += advance(incident, finding, now_us, rule.hold_us)
        elif finding.verdict is Verdict.HOLDS:
            changes.append(_opened(rule.name, "", store.key, finding, now_us))
    # Nothing is known of their stores any more.
    for incident in by_store.values():
        changes += advance(incident, LEFT_RULE, now_us, rule.hold_us)
    return changes


def _suppressed(
    rule: RuleInput, store: WatchedStore, suppression: Suppression, now_us: int
) -> RuleFinding | None:
    """Return the finding that takes the place of the store's own; None: it is not suppressed."""
    if rule.terms.kind is RuleKind.STORE_SILENT:
        return RuleFinding(Verdict.GONE, cause="feed_silent") if suppression.is_fed(store) else None
    if store.key in suppression.members:
        return RuleFinding(Verdict.GONE, cause="grouped")
    return UNCLEAR if suppression.is_held(store, now_us) else None


def _opened(
    rule: str,
    subject: str,
    store_key: int | None,
    finding: RuleFinding,
    now_us: int,
    *,
    members: Mapping[int, int] | None = None,
) -> Change:
    incident = open_incident(rule, subject, store_key, finding, now_us)
    evidence: Mapping[str, Any] = finding.evidence
    if members:
        incident = replace(incident, members=dict(members))
    return Change(incident, EventKind.OPENED, None, evidence, joined=members or {})
