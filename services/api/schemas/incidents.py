"""Bodies of incidents."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.http.bodies import RequestBody
from shared.http.cursors import read_id_cursor
from shared.incidents.stored import Member, StoredEvent, StoredIncident
from shared.incidents.terms import RuleKind
from shared.texts import storable

IncidentState = Literal["open", "acknowledged", "resolved", "withdrawn"]
_MAX_NOTE = 2_000


class IncidentQuery(BaseModel):
    """Which incidents to list."""

    model_config = ConfigDict(extra="forbid")

    state: list[IncidentState] = Field(default=[], max_length=4, description="Only in one of these states.")
    kind: list[RuleKind] = Field(default=[], max_length=6, description="Only of rules of one of these kinds.")
    rule: Annotated[str, AfterValidator(storable)] | None = Field(
        default=None, max_length=63, description="Only of the rule with this name."
    )
    store: Annotated[str, AfterValidator(storable)] | None = Field(
        default=None, max_length=1_024, description="Only those about the store with this id."
    )
    text: Annotated[str, AfterValidator(storable)] | None = Field(
        default=None,
        max_length=200,
        description="Only with this text in the rule, the subject or the id of a store, in any case.",
    )
    cursor: str | None = Field(default=None, description="The `next` value of the previous page.")
    limit: int = Field(default=50, ge=1, le=200, description="The most incidents to return.")

    def to_choice(self) -> dict[str, Any]:
        """Return the filters of `list_incidents`. Raises `InvalidRequest` for a malformed cursor."""
        return {
            "states": self.state or None,
            "kinds": [kind.value for kind in self.kind] or None,
            "rule": self.rule,
            "store_id": self.store,
            "text": self.text or None,
            "before_id": read_id_cursor(self.cursor),
        }


class IncidentPatch(RequestBody):
    """Body of `PATCH /v1/incidents/{incident_id}`: acknowledge, add a note, or both."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"acknowledged": True, "note": "Calling the store."}]}
    )

    acknowledged: Literal[True] | None = Field(
        default=None,
        description="Acknowledge the incident, which ends reminders and prevents the escalation.",
    )
    note: str | None = Field(
        default=None, min_length=1, max_length=_MAX_NOTE, description="A note for the timeline."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.acknowledged is None and self.note is None:
            raise ValueError("give acknowledged, or note, or both")
        return self


class IncidentBody(BaseModel):
    """An incident: a condition that a rule found, from its beginning to its end."""

    id: UUID
    rule: str = Field(examples=["north-down"])
    kind: RuleKind
    store_id: str | None = Field(description="The store; null if the incident is not about one store.")
    subject: str = Field(
        description="The value of a group's label (`NAME=VALUE` if the rule looks at any label), or the name of a service level;"
        " empty for a store or a feed.",
        examples=[""],
    )
    state: IncidentState
    opened_at: datetime = Field(description="The evaluation that opened it.")
    since_earliest: datetime | None = Field(
        description="The condition began after this instant: the last poll that said the opposite; null: not known."
    )
    since_latest: datetime = Field(
        description="The condition began at this instant at the latest. If a silence began more than eight days before the incident opened, this is 00:00 UTC seven days before that."
    )
    calm_at: datetime | None = Field(
        description="Since when the condition does not hold; null: it holds. The incident ends some time later."
    )
    ended_at: datetime | None
    cause: str | None = Field(
        description="Why it ended: `late_data` if it was withdrawn; null if its condition ended.",
        examples=["late_data"],
    )
    flaps: int = Field(description="How often the condition ended and began again.")
    evidence: Mapping[str, Any] = Field(
        description="The numbers that were seen, times in microseconds since 1970.",
        examples=[{"inactive_polls": 2}],
    )
    acknowledged_at: datetime | None
    acknowledged_by: str | None = Field(description="The prefix of the key.")
    members: int = Field(description="How many stores belong to a group's incident now.")
    is_whole: bool = Field(
        description="Whether the key may see all of its stores. If not, members are those that it may see."
    )

    @classmethod
    def of_incident(cls, incident: StoredIncident, **more: Any) -> Self:
        """Build the answer for an incident."""
        return cls.model_validate({**vars(incident), **more})


class MemberBody(BaseModel):
    """A store of an incident about several."""

    store_id: str
    joined_at: datetime
    left_at: datetime | None = Field(description="When it left; null: it still belongs to the incident.")
    cause: str | None = Field(description="Why it left.", examples=["recovered"])


class IncidentEventBody(BaseModel):
    """An entry of the timeline."""

    at: datetime
    kind: str = Field(examples=["opened"])
    actor: str | None = Field(description="The prefix of a key; null: an evaluation.")
    details: Mapping[str, Any] = Field(examples=[{"inactive_polls": 2}])


class IncidentPage(IncidentBody):
    """An incident with up to 1,000 of its stores, and its timeline: the newest 1,000 events, oldest first."""

    stores: list[MemberBody]
    events: list[IncidentEventBody] = Field(description="Empty unless `is_whole`.")

    @classmethod
    def with_parts(
        cls, incident: StoredIncident, stores: Sequence[Member], events: Sequence[StoredEvent]
    ) -> Self:
        """Build the answer for an incident with its parts."""
        return cls.of_incident(
            incident,
            stores=[vars(store) for store in stores],
            events=[vars(event) for event in events],
        )


class IncidentList(BaseModel):
    """A page of incidents, newest first."""

    incidents: list[IncidentBody]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")
