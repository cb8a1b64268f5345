"""Calls for alert rules and incidents, and their answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack

from uptill_client.pages import iterate_pages
from uptill_client.paths import encode_segment
from uptill_client.transport import Transport

_RULES, _INCIDENTS = "/v1/alert-rules", "/v1/incidents"
Parameter = int | float | str | None


@dataclass(frozen=True)
class AlertRule:
    """An alert rule. `delivery` says which channels are told, and when."""

    name: str
    kind: str
    labels: Mapping[str, str]
    parameters: Mapping[str, Parameter]
    hold_open_minutes: int
    delivery: Mapping[str, Any]
    changed_by: str | None
    changed_at: datetime
    open_incidents: int
    paused: bool = False


@dataclass(frozen=True)
class Incident:
    """An incident. It began between `since_earliest` (None: not known) and `since_latest`."""

    id: str
    rule: str
    kind: str
    store_id: str | None
    subject: str
    state: str
    opened_at: datetime
    since_earliest: datetime | None
    since_latest: datetime
    calm_at: datetime | None
    ended_at: datetime | None
    cause: str | None
    flaps: int
    evidence: Mapping[str, Any]
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    members: int
    is_whole: bool


@dataclass(frozen=True)
class IncidentMember:
    """A store of an incident about several. `left_at` is None while it belongs to it."""

    store_id: str
    joined_at: datetime
    left_at: datetime | None
    cause: str | None


@dataclass(frozen=True)
class IncidentEvent:
    """What happened to an incident. `actor` is None for an evaluation."""

    at: datetime
    kind: str
    actor: str | None
    details: Mapping[str, Any]


@dataclass(frozen=True)
class WholeIncident(Incident):
    """An incident with its stores, if it is about several, and its timeline."""

    stores: Sequence[IncidentMember]
    events: Sequence[IncidentEvent]


@dataclass(frozen=True)
class _AlertRules:
    alert_rules: Sequence[AlertRule]


class RuleOptions(TypedDict, total=False):
    """The terms of an alert rule besides its kind. The service uses its default for one that is missing."""

    # All stores that have these labels. Default: every store.
    labels: Mapping[str, str]
    # Of the kind, such as {"inactive_polls": 2}.
    parameters: Mapping[str, Parameter]
    hold_open_minutes: int
    # Channels, quiet hours, weekdays, digest, reminders, escalation.
    delivery: Mapping[str, Any]
    # Do not evaluate it. Its incidents end.
    paused: bool


class IncidentFilter(TypedDict, total=False):
    """Which incidents. Missing: any."""

    # "open", "acknowledged", "resolved", "withdrawn".
    state: Sequence[str]
    kind: Sequence[str]
    rule: str | None
    # The id of a store.
    store: str | None
    # In the rule, the subject or the id of a store.
    text: str | None


class IncidentCalls:
    """Calls for alert rules and incidents. Each call raises `ApiError` on failure."""

    _api: Transport

    def set_alert_rule(self, name: str, kind: str, **options: Unpack[RuleOptions]) -> AlertRule:
        """Add an alert rule, or replace all of its terms."""
        return self._api.call(AlertRule, "PUT", _path(_RULES, name), json={"kind": kind, **options})

    def alert_rules(self) -> Sequence[AlertRule]:
        """Return all alert rules by name."""
        return self._api.call(_AlertRules, "GET", _RULES).alert_rules

    def get_alert_rule(self, name: str) -> AlertRule:
        """Return an alert rule."""
        return self._api.call(AlertRule, "GET", _path(_RULES, name))

    def remove_alert_rule(self, name: str) -> None:
        """Remove an alert rule. Its incidents end."""
        self._api.call(type(None), "DELETE", _path(_RULES, name))

    def incidents(self, **chosen: Unpack[IncidentFilter]) -> Iterator[Incident]:
        """Yield incidents, newest first."""
        return iterate_pages(self._api, Incident, _INCIDENTS, "incidents", chosen)

    def get_incident(self, incident_id: str) -> WholeIncident:
        """Return an incident with its stores and its timeline."""
        return self._api.call(WholeIncident, "GET", _path(_INCIDENTS, incident_id))

    def acknowledge_incident(self, incident_id: str, *, note: str | None = None) -> Incident:
        """Acknowledge an incident, with a note if you like. To do it twice changes nothing."""
        body = {"acknowledged": True, **({} if note is None else {"note": note})}
        return self._api.call(Incident, "PATCH", _path(_INCIDENTS, incident_id), json=body)

    def note_incident(self, incident_id: str, note: str) -> Incident:
        """Add a note to an incident's timeline."""
        return self._api.call(Incident, "PATCH", _path(_INCIDENTS, incident_id), json={"note": note})


def _path(collection: str, name: str) -> str:
    return f"{collection}/{encode_segment(name)}"
