"""Checks the polls of one live call by the rules for the rows of a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.ingest.http.hook_delivery import HookDelivery
from services.ingest.parse.instants import PADDING, decode_instants, parse_instant
from services.ingest.parse.poll_notes import NoteReading, parse_until
from shared.reason_words import fold_reason
from shared.reject_advice import require_advice
from shared.status_words import STATUSES, fold_status
from shared.store_ids import clean_store_id, describe_id_fault, find_id_fault

MAX_POLLS = 10_000
_DECODED_FROM = 16  # instants; fewer are parsed sooner one by one
# Whether an end is in the future, the writer asks the database's clock.
_ANY_END = NoteReading(latest_us=1 << 62)
_UNKNOWN_STATUS = (
    "the status is neither active nor inactive; send one of these, or map other words with UPTILL_STATUS_WORDS of the"
    " ingest service"
)


@dataclass(frozen=True)
class SentNotes:
    """What the polls of a call say besides a status, one element per poll: whether it is an event, and the word of its reason.

    `place`: the position in the call. An event with an end is followed by a second one, with the same place and `is_end`.
    """

    event: NDArray[np.bool_]
    reasons: Sequence[str]
    place: NDArray[np.int64]
    is_end: NDArray[np.bool_]

    def pick(self, kept: NDArray[np.bool_]) -> "SentNotes":
        """Return what the polls under a mask say."""
        reasons = [self.reasons[poll] for poll in np.flatnonzero(kept).tolist()]
        return SentNotes(self.event[kept], reasons, self.place[kept], self.is_end[kept])

    def name_instant(self, poll: int) -> str:
        """Return the field that holds a poll's instant."""
        return f"{self.place[poll]}.{'until' if self.is_end[poll] else 'observed_at'}"


@dataclass(frozen=True)
class LivePolls:
    """The valid polls of one call, in its order: store ids, microseconds since 1970, and whether active.

    `notes` is None if no poll says more, and `hook` unless the call is one of a hook.
    """

    ids: list[str]
    at_us: NDArray[np.int64]
    active: NDArray[np.bool_]
    notes: SentNotes | None = None
    hook: HookDelivery | None = None

    def pick(self, kept: NDArray[np.bool_]) -> "LivePolls":
        """Return the polls under a mask."""
        return replace(
            self,
            ids=[self.ids[poll] for poll in np.flatnonzero(kept).tolist()],
            at_us=self.at_us[kept],
            active=self.active[kept],
            notes=None if self.notes is None else self.notes.pick(kept),
        )

    def name_instant(self, poll: int) -> str:
        """Return the field of the call that holds a poll's instant."""
        return f"{poll}.observed_at" if self.notes is None else self.notes.name_instant(poll)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class PollFault:
    """Why the poll at `index` is refused, and which of its fields is wrong."""

    index: int
    field: str
    message: str


def check_polls(
    ids: Sequence[str],
    statuses: Sequence[str],
    instants: Sequence[str],
    words: Mapping[str, bool] = STATUSES,
    *,
    allow_odd_ids: bool = False,
) -> LivePolls | list[PollFault]:
    """Return the polls, or everything that is wrong with them. `words` are the words for statuses."""
    faults: list[PollFault] = []
    clean_ids, active = list(ids), np.zeros(len(ids), np.bool_)
    at_us, decoded = _decode(instants)
    for index, (store_id, status, instant) in enumerate(zip(ids, statuses, instants, strict=True)):
        clean_ids[index] = clean = clean_store_id(store_id)
        if reason := find_id_fault(clean, allow_odd=allow_odd_ids):
            faults.append(PollFault(index, "store_id", describe_id_fault(clean, reason)))
        is_active = words.get(status)
        if is_active is None:
            is_active = words.get(fold_status(status))
        if is_active is None:
            faults.append(PollFault(index, "status", _UNKNOWN_STATUS))
        else:
            active[index] = is_active
        if decoded[index]:
            continue
        parsed = parse_instant(instant)
        if isinstance(parsed, int):
            at_us[index] = parsed
        else:
            faults.append(PollFault(index, "observed_at", require_advice(parsed, "live")))
    return faults or LivePolls(clean_ids, at_us, active)


@dataclass(frozen=True)
class SentNote:
    """What one poll of a call says besides a status."""

    event: bool = False
    reason: str | None = None
    until: str | None = None


def check_notes(polls: LivePolls, notes: Sequence[SentNote]) -> LivePolls | list[PollFault]:
    """Return the polls with their notes, and with the ends of events. Whether a reason is known, only the writer can tell."""
    faults: list[PollFault] = []
    until_us: list[int | None] = []
    for index, note in enumerate(notes):
        end = (
            None
            if note.until is None
            else parse_until(note.until, note.event, int(polls.at_us[index]), _ANY_END)
        )
        if isinstance(end, str):
            faults.append(PollFault(index, "until", require_advice(end, "live")))
        until_us.append(end if isinstance(end, int) else None)
    if faults:
        return faults
    return add_notes(polls, [note.event for note in notes], [note.reason or "" for note in notes], until_us)


def add_notes(
    polls: LivePolls, events: Sequence[bool], reasons: Sequence[str], until_us: Sequence[int | None]
) -> LivePolls:
    """Return the polls with what they say, and with the ends of events as further polls."""
    words = [fold_reason(reason) for reason in reasons]
    as_given = SentNotes(np.array(events), words, np.arange(len(polls)), np.zeros(len(polls), np.bool_))
    return add_ends(replace(polls, notes=as_given), until_us)


def add_ends(polls: LivePolls, until_us: Sequence[int | None]) -> LivePolls:
    """Return polls that have notes with the ends of events as further polls."""
    ended = np.array([index for index, end in enumerate(until_us) if end is not None], np.int64)
    notes = polls.notes
    if not ended.size or notes is None:
        return polls
    place = np.insert(np.arange(len(polls)), ended + 1, ended)
    is_end = np.zeros(len(place), np.bool_)
    is_end[ended + 1 + np.arange(ended.size)] = True
    at_us, active = polls.at_us[place], polls.active[place]
    at_us[is_end], active[is_end] = [end for end in until_us if end is not None], ~active[is_end]
    words = [
        "" if end else notes.reasons[index]
        for index, end in zip(place.tolist(), is_end.tolist(), strict=True)
    ]
    ids = [polls.ids[index] for index in place.tolist()]
    sent = SentNotes(notes.event[place], words, place, is_end)
    return replace(polls, ids=ids, at_us=at_us, active=active, notes=sent)


def _decode(instants: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return microseconds since 1970 of the instants in their usual forms, and which these are."""
    text = "\n".join(instants)
    if len(instants) < _DECODED_FROM or not text.isascii():
        return np.zeros(len(instants), np.int64), np.zeros(len(instants), np.bool_)
    lengths = np.fromiter(map(len, instants), np.int64, len(instants))
    ends = np.cumsum(lengths + 1) - 1
    return decode_instants(text.encode() + PADDING, ends - lengths, ends)
