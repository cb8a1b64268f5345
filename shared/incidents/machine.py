"""The life of an incident: what follows from a finding about its subject. Pure; docs/reference/incidents.md has the rule.

The same finding at the same instant changes nothing the second time, so it does not matter how often it is looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from shared.incidents.findings import RuleFinding, Verdict
from shared.incidents.live_store import DAY_US

# Without a poll for so long, an incident ends: the store may have been given up.
NO_EVIDENCE_US: Final = 7 * DAY_US


class EventKind(StrEnum):
    """What can happen to an incident. The last three come from callers."""

    OPENED = "opened"
    CALM = "calm"
    FLAPPED = "flapped"
    CORRECTED = "corrected"
    JOINED = "joined"
    LEFT = "left"
    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"
    ACKNOWLEDGED = "acknowledged"
    NOTED = "noted"


ENDS: Final = frozenset({EventKind.RESOLVED, EventKind.WITHDRAWN})


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An incident that has not ended. `id` is None before it is stored. `members` are stores, each with its run.

    `proved_us`: the data up to here opened it. `was_real`: a member recovered, so not everything was disproved.
    """

    rule: str
    subject: str
    store_key: int | None
    opened_us: int
    proved_us: int
    run_us: int | None
    earliest_us: int | None
    latest_us: int
    id: UUID | None = None
    calm_us: int | None = None
    flaps: int = 0
    members: Mapping[int, int] = field(default_factory=dict)
    was_real: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """An incident as it is after an evaluation, and the event that explains it. `cause` is of an end.

    `joined` and `left` are members, the latter with why they left.
    """

    incident: OpenIncident
    event: EventKind
    cause: str | None = None
    evidence: Mapping[str, Any] | None = None
    joined: Mapping[int, int] = field(default_factory=dict)
    left: Mapping[int, str] = field(default_factory=dict)


def advance(incident: OpenIncident, finding: RuleFinding, now_us: int, hold_us: int) -> list[Change]:
    """Return what follows from a finding for an incident that has not ended, in order."""
    if _disproves(incident, finding):
        return [Change(incident, EventKind.WITHDRAWN, "late_data")]
    match finding.verdict:
        case Verdict.GONE:
            return [Change(incident, EventKind.RESOLVED, finding.cause)]
        case Verdict.HOLDS | Verdict.WEAK:
            return _go_on(incident, finding)
        case Verdict.CALM if finding.run_us is None or finding.run_us != incident.run_us:
            return _calm_down(incident, finding, now_us, hold_us)
    return _end_by_time(incident, finding, now_us, hold_us)


def open_incident(
    rule: str, subject: str, store_key: int | None, finding: RuleFinding, now_us: int
) -> OpenIncident:
    """Return a new incident. A later change of the data up to its last poll can disprove it."""
    proved_us = now_us if finding.last_seen_us is None else finding.last_seen_us
    latest_us = now_us if finding.latest_us is None else finding.latest_us
    return OpenIncident(
        rule, subject, store_key, now_us, proved_us, finding.run_us, finding.earliest_us, latest_us
    )


def _disproves(incident: OpenIncident, finding: RuleFinding) -> bool:
    """Whether the data that opened the incident now say something else. A new run within them is enough."""
    if incident.run_us is None or finding.latest_us is None:
        return False
    match finding.verdict:
        case Verdict.CALM:
            run_us = finding.run_us
            return run_us is not None and run_us != incident.run_us and run_us <= incident.proved_us
        case Verdict.WEAK:
            return _is_later_run(incident, finding) and finding.latest_us <= incident.proved_us
        case Verdict.GONE | Verdict.UNCLEAR:
            return finding.latest_us <= incident.latest_us
    return False


def _is_later_run(incident: OpenIncident, finding: RuleFinding) -> bool:
    """Whether the subject was calm in between. A run whose begin is out of view is the one that was seen before."""
    if finding.run_us is None or incident.run_us is None or finding.earliest_us is None:
        return False
    return finding.run_us > incident.run_us


def _go_on(incident: OpenIncident, finding: RuleFinding) -> list[Change]:
    after = replace(incident, calm_us=None, run_us=finding.run_us)
    is_later = _is_later_run(incident, finding)
    if is_later and finding.run_us is not None and finding.run_us > incident.proved_us:
        return [Change(replace(after, flaps=incident.flaps + 1), EventKind.FLAPPED, None, finding.evidence)]
    if is_later or (
        finding.run_us is not None and incident.run_us is not None and finding.run_us < incident.run_us
    ):
        if finding.run_us is not None and finding.run_us <= incident.proved_us:
            latest_us = incident.latest_us if finding.latest_us is None else finding.latest_us
            after = replace(after, earliest_us=finding.earliest_us, latest_us=latest_us)
        return [Change(after, EventKind.CORRECTED, None, finding.evidence)]
    if incident.calm_us is None:
        return []
    if incident.run_us is None:
        return [Change(replace(after, flaps=incident.flaps + 1), EventKind.FLAPPED, None, finding.evidence)]
    # The polls that made it calm are gone.
    return [Change(replace(after, run_us=incident.run_us), EventKind.CORRECTED, None, finding.evidence)]


def _calm_down(incident: OpenIncident, finding: RuleFinding, now_us: int, hold_us: int) -> list[Change]:
    calm_us = now_us if finding.latest_us is None else finding.latest_us
    changes: list[Change] = []
    if incident.calm_us is None:
        incident = replace(incident, calm_us=calm_us)
        changes.append(Change(incident, EventKind.CALM))
    elif finding.earliest_us is not None and calm_us > incident.calm_us:
        incident = replace(incident, calm_us=calm_us, flaps=incident.flaps + 1)
        changes.append(Change(incident, EventKind.FLAPPED))
    return changes + _end_calm(incident, now_us, hold_us)


def _end_by_time(incident: OpenIncident, finding: RuleFinding, now_us: int, hold_us: int) -> list[Change]:
    if ended := _end_calm(incident, now_us, hold_us):
        return ended
    seen_us = max(incident.opened_us, finding.last_seen_us or 0)
    if now_us - seen_us >= NO_EVIDENCE_US:
        return [Change(incident, EventKind.RESOLVED, "no_evidence")]
    return []


def _end_calm(incident: OpenIncident, now_us: int, hold_us: int) -> list[Change]:
    if incident.calm_us is None or now_us - incident.calm_us < hold_us:
        return []
    return [Change(incident, EventKind.RESOLVED)]
