"""What polls say besides a status: that they are events, and why. Finds the poll of each note. Must not know the rules for time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from shared.uptime.intervals import Bools, Int64s, Line

NO_REASON: Final = 0


@dataclass(frozen=True, slots=True)
class PollNotes:
    """Notes as they were delivered, one element each, in this order.

    A note belongs to the poll of its `store` and `at_us`. `active` is the status that it came with, `event` whether it
    called the poll an event, and `reason` the number of a reason, or `NO_REASON`. `excluded` are the numbers of the
    reasons whose time is left out of the open time.
    """

    store: Int64s
    at_us: Int64s
    active: Bools
    event: Bools
    reason: Int64s
    excluded: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.store)

    @classmethod
    def join(cls, some: Sequence[Self]) -> Self:
        """Return the notes of all of these, one after another."""
        return cls(
            np.concatenate([notes.store for notes in some]),
            np.concatenate([notes.at_us for notes in some]),
            np.concatenate([notes.active for notes in some]),
            np.concatenate([notes.event for notes in some]),
            np.concatenate([notes.reason for notes in some]),
            some[0].excluded,
        )

    def pick(self, which: Bools | Int64s) -> Self:
        """Return the notes that a mask or indexes choose."""
        return replace(
            self,
            store=self.store[which],
            at_us=self.at_us[which],
            active=self.active[which],
            event=self.event[which],
            reason=self.reason[which],
        )

    def of_store(self, place: int) -> Self:
        """Return the notes of one store, as those of store 0."""
        own = self.pick(self.store == place)
        return replace(own, store=np.zeros_like(own.store))

    def renumbered(self, number: Int64s) -> Self:
        """Return the notes of some stores. `number` holds the new index of each store, and -1 for the others."""
        kept = self.pick(number[self.store] >= 0)
        return replace(kept, store=number[kept.store])


_NONE: Final = np.zeros(0, dtype=np.int64)
NO_NOTES: Final = PollNotes(_NONE, _NONE, _NONE.astype(np.bool_), _NONE.astype(np.bool_), _NONE)


def match_notes(notes: PollNotes, line: Line, place: Int64s, active: Bools) -> tuple[Bools, Int64s]:
    """Return for each poll whether it is an event, and its reason. `place` has the polls' places on the line, in order.

    Of several notes about the same, the last one delivered counts, and only if the poll has the status it came with.
    """
    is_event, reason = np.zeros(len(place), dtype=np.bool_), np.full(len(place), NO_REASON)
    last_us = line.origin_us + line.width_us - 1
    notes = notes.pick((notes.at_us >= line.origin_us) & (notes.at_us <= last_us))
    _, poll = _polls_of_last(notes.pick(notes.event), line, place, active)
    is_event[poll] = True
    given = notes.pick(notes.reason != NO_REASON)
    note, poll = _polls_of_last(given, line, place, active)
    reason[poll] = given.reason[note]
    return is_event, reason


def _polls_of_last(notes: PollNotes, line: Line, place: Int64s, active: Bools) -> tuple[Int64s, Int64s]:
    """Return the last note about each poll, and the poll, where their statuses agree: two arrays of indexes."""
    noted = line.place(notes.store, notes.at_us)
    order = np.argsort(noted, kind="stable")
    is_last = np.ones(len(order), dtype=np.bool_)
    is_last[:-1] = np.diff(noted[order]) > 0
    note = order[is_last]
    poll = np.searchsorted(place, noted[note])
    has_poll = np.flatnonzero(poll < len(place))
    note, poll = note[has_poll], poll[has_poll]
    agrees = (place[poll] == noted[note]) & (active[poll] == notes.active[note])
    return note[agrees], poll[agrees]
