"""What a message says, as values that each kind of channel writes in its own way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shared.channels.notice import EventName, Notice
from shared.store_names import display_name
from shared.texts import UNSEEN

# Events of one message that are told. The others are counted.
MAX_SHOWN: Final = 20
_MAX_TITLE: Final = 150
_WORDS: Final[Mapping[EventName, str]] = {
    "incident.opened": "opened",
    "incident.updated": "updated",
    "incident.acknowledged": "acknowledged",
    "incident.reminder": "still open",
    "incident.escalated": "not acknowledged",
    "incident.resolved": "resolved",
    "incident.withdrawn": "withdrawn",
    "report.succeeded": "report",
    "report.failed": "report failed",
    "channel.test": "test",
}


@dataclass(frozen=True)
class ToldEvents:
    """The events of a message: the first `MAX_SHOWN`, oldest first, and the number of all by name."""

    topic: str
    notices: Sequence[Notice]
    counts: Mapping[EventName, int]


@dataclass(frozen=True)
class Entry:
    """One event in a message: a heading, facts with their labels, and an address that leads to more."""

    heading: str
    facts: Sequence[tuple[str, str]]
    link: str | None


@dataclass(frozen=True)
class Content:
    """A whole message. `more` says what is left out; "" if nothing is."""

    title: str
    entries: Sequence[Entry]
    more: str
    footer: str


@dataclass(frozen=True)
class Letterhead:
    """Who says it: the channel, the message's id, and the address of the page, which links begin with."""

    channel: str
    message_id: str
    public_url: str


def compose_content(told: ToldEvents, head: Letterhead, facts: Sequence[tuple[str, str]] = ()) -> Content:
    """Return what to say. `facts` are added to each event: the summary of a report."""
    shown = [_describe_notice(notice, head.public_url, facts) for notice in told.notices]
    left_out = sum(told.counts.values()) - len(shown)
    return Content(
        title=_title(told),
        entries=shown,
        more=f"and {left_out:,} more" if left_out > 0 else "",
        footer=f"Uptill, channel {head.channel}, message {head.message_id}",
    )


def _title(told: ToldEvents) -> str:
    if sum(told.counts.values()) == 1:
        (notice,) = told.notices
        text = _heading(notice)
    else:
        parts = [f"{number:,} {_WORDS.get(name, name)}" for name, number in sorted(told.counts.items())]
        text = f"{told.topic}: {', '.join(parts)}"
    return text if len(text) <= _MAX_TITLE else f"{text[: _MAX_TITLE - 1]}…"


def _heading(notice: Notice) -> str:
    word = _WORDS.get(notice.event, notice.event)
    where = f" ({notice.where})" if notice.where else ""
    return _plain(f"{word[0].upper()}{word[1:]}: {notice.what}{where}")


def _describe_notice(notice: Notice, public_url: str, more: Sequence[tuple[str, str]]) -> Entry:
    given = (
        ("Since", _bounds(notice.since_after, notice.since_by)),
        ("Polls", "" if notice.polls is None else f"{notice.polls:,}"),
        ("Compared with", _plain(notice.compared_with)),
        ("Detection delay", _length(notice.detection_delay_s)),
        ("Stores", _members(notice)),
    )
    link = None if notice.link is None else f"{public_url.rstrip('/')}{notice.link}"
    return Entry(_heading(notice), [*((name, text) for name, text in given if text), *more], link)


def _bounds(after: datetime | None, by: datetime | None) -> str:
    """Format when something began: between two polls."""
    if after is None and by is None:
        return ""
    if after is None or by is None:
        return f"{_moment(by)} or earlier" if by else f"after {_moment(after)}"
    return f"between {_moment(after)} and {_moment(by)}"


def _moment(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _length(seconds: int | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, 60)
    parts = ([f"{minutes:,} min"] if minutes else []) + ([f"{rest} s"] if rest or not minutes else [])
    return f"up to {' '.join(parts)}"


def _members(notice: Notice) -> str:
    if not notice.member_count:
        return ""
    left_out = notice.member_count - len(notice.members)
    shown = map(display_name, notice.members, notice.member_names) if notice.member_names else notice.members
    named = ", ".join(map(_plain, shown))
    return f"{notice.member_count:,}: {named}" + (f" and {left_out:,} more" if left_out and named else "")


def _plain(text: str) -> str:
    """Return a text on one line, without invisible characters."""
    return " ".join(UNSEEN.sub(" ", text).split())
