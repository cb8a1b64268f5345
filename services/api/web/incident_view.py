"""One incident for the page: what it is about, how long it has lasted, and its life as a picture. Must not know HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from services.api.web.incident_words import (
    KIND_NAMES,
    SHAPES,
    cause_text,
    event_name,
    fact_lines,
)
from services.api.web.words import near_moment, passed
from shared.clock import to_us
from shared.incidents.stored import StoredEvent, StoredIncident
from shared.incidents.terms import ANY_LABEL

_LEAST = timedelta(minutes=1)


@dataclass(frozen=True)
class IncidentLine:
    """An incident at `now`. `by` is the label of a group, if its rule is known. Times are written in `zone`."""

    incident: StoredIncident
    now: datetime
    by: str = ""
    zone: tzinfo = UTC

    @property
    def about(self) -> str:
        """The store, the group, the feed or the service level."""
        subject = self.incident.subject
        if self.incident.store_id is not None:
            return self.incident.store_id
        if not subject:
            return "the whole feed" if self.incident.kind == "feed_silent" else "a store that is gone"
        return f"{self.by}={subject}" if self.by not in {"", ANY_LABEL} else subject

    @property
    def kind(self) -> str:
        return KIND_NAMES.get(self.incident.kind, self.incident.kind)

    @property
    def shape(self) -> str:
        """The state of stores that looks like it."""
        return SHAPES.get(self.incident.kind, "down")

    @property
    def is_open(self) -> bool:
        return self.incident.ended_at is None

    @property
    def state(self) -> str:
        """The state, and that it is calm if so."""
        is_calm = self.is_open and self.incident.calm_at is not None
        return f"{self.incident.state}, calm" if is_calm else self.incident.state

    @property
    def cause(self) -> str:
        return cause_text(self.incident.cause)

    @property
    def until(self) -> datetime:
        """Up to when the condition held, as far as is known."""
        return self.incident.calm_at or self.incident.ended_at or self.now

    @property
    def lasts(self) -> str:
        """For how long the condition held, by both bounds of its begin."""
        least = passed(self.until - self.incident.since_latest)
        if self.incident.since_earliest is None:
            return f"{least} or more"
        most = passed(self.until - self.incident.since_earliest)
        return least if least == most else f"{least} to {most}"

    @property
    def began(self) -> str:
        """The two instants between which it began."""
        earliest, latest = self.incident.since_earliest, self.incident.since_latest
        if earliest is None:
            return f"by {self.moment(latest)}"
        if earliest == latest:
            return self.moment(latest)
        return f"{self.moment(earliest)} \u2013 {self.moment(latest, beside=earliest)}"

    @property
    def evidence(self) -> Sequence[tuple[str, str]]:
        return fact_lines(self.incident.evidence, self.now)

    @property
    def since_us(self) -> int:
        """An instant at which the condition held, for the store's ledger."""
        return to_us(self.incident.since_latest)

    @property
    def day(self) -> date:
        """The local date of that instant."""
        return self.incident.since_latest.astimezone(self.zone).date()

    def moment(self, instant: datetime, beside: datetime | None = None) -> str:
        """Return the time of day, with the date unless it is today's, or that of the instant beside it."""
        return near_moment(instant, self.zone, self.now, beside or self.now)


@dataclass(frozen=True)
class EventLine:
    """An entry of the timeline. `x` is its place in the picture."""

    event: StoredEvent
    x: float
    name: str
    note: str
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class IncidentSpan:
    """The life of an incident as shares of a picture's width: the begin lies in `doubt`, it holds, then it is `calm`."""

    doubt: tuple[float, float] | None
    holds: tuple[float, float]
    calm: tuple[float, float] | None
    events: Sequence[EventLine]
    first: datetime
    last: datetime

    @classmethod
    def of(cls, line: IncidentLine, events: Sequence[StoredEvent]) -> "IncidentSpan":
        """Lay out an incident from the first instant at which it can have begun to its end, or to now."""
        incident = line.incident
        first = incident.since_earliest or incident.since_latest
        last = max(incident.ended_at or line.now, first + _LEAST)

        def place(instant: datetime) -> float:
            return min(1.0, max(0.0, (instant - first) / (last - first)))

        began, until = place(incident.since_latest), place(line.until)
        return cls(
            (0.0, began) if began > 0 else None,
            (began, max(until, began)),
            (until, 1.0) if incident.calm_at is not None else None,
            [_describe(event, place(event.at), line.now) for event in events],
            first,
            last,
        )


def _describe(event: StoredEvent, x: float, now: datetime) -> EventLine:
    details: Mapping[str, Any] = event.details
    return EventLine(event, x, event_name(event.kind), str(details.get("note", "")), fact_lines(details, now))
