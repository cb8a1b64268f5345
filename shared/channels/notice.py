"""A notice: what one event tells people, as a value. How a channel writes it is up to the sender."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

EventName = Literal[
    "incident.opened",
    "incident.updated",
    "incident.acknowledged",
    "incident.reminder",
    "incident.escalated",
    "incident.resolved",
    "incident.withdrawn",
    "report.succeeded",
    "report.failed",
    "channel.test",
]
EVENT_NAMES: Final[tuple[EventName, ...]] = get_args(EventName)
# Named in a message. The others are counted.
MAX_MEMBERS: Final = 20


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What happened, where, since when, and how sure that is.

    The condition began after `since_after` and by `since_by`: the last poll that spoke against it, and the first that
    spoke for it. None: not known. `polls` support it. `link` is a path of the API's page that begins with `/`.
    `members` are the stores concerned, by id, at most `MAX_MEMBERS`, and `member_names` their names (None: without one);
    `member_count` counts all of them.
    `subject_id` is the incident or the report.
    """

    event: EventName
    what: str
    where: str = ""
    since_after: datetime | None = None
    since_by: datetime | None = None
    polls: int | None = None
    compared_with: str = ""
    detection_delay_s: int | None = None
    link: str | None = None
    members: Sequence[str] = ()
    member_names: Sequence[str | None] = ()
    member_count: int = 0
    subject_id: UUID | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the notice as `channel_event.notice` stores it."""
        return {
            **vars(self),
            "since_after": self.since_after and self.since_after.isoformat(),
            "since_by": self.since_by and self.since_by.isoformat(),
            "members": list(self.members[:MAX_MEMBERS]),
            "member_names": list(self.member_names[:MAX_MEMBERS]),
            "member_count": max(self.member_count, len(self.members)),
            "subject_id": self.subject_id and str(self.subject_id),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Notice":
        """Read a stored notice. Fields of a newer release are left out."""
        known = {name: value for name, value in stored.items() if name in cls.__dataclass_fields__}
        times = {name: known.get(name) for name in ("since_after", "since_by")}
        read: dict[str, Any] = {
            **known,
            **{name: text and datetime.fromisoformat(text) for name, text in times.items()},
            "members": tuple(known.get("members", ())),
            "member_names": tuple(known.get("member_names", ())),
            "subject_id": (text := known.get("subject_id")) and UUID(text),
        }
        return cls(**read)
