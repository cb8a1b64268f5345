"""Writes what polls say besides a status. A note that repeats what is stored changes nothing."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.parsed import GivenNotes
from shared.clock import from_us
from shared.db.arrays import instant_array, key_array
from shared.db.queries import queries

_SQL = queries("notes")
_ACTIVE, _EVENT, _FIRST_REASON = 1, 2, 4
_NEVER: Final = -1


@dataclass(frozen=True)
class NotedPolls:
    """Polls by key of their store and instant, sorted."""

    store: NDArray[np.int64]
    at_us: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.store)

    def pick(self, which: NDArray[np.bool_]) -> "NotedPolls":
        """Return the polls under a mask."""
        return NotedPolls(self.store[which], self.at_us[which])

    @classmethod
    def of_rows(cls, rows: list[tuple[int, int]]) -> "NotedPolls":
        """Return the polls of rows of store key and microseconds since 1970."""
        table = np.array(rows, np.int64).reshape(-1, 2)
        return cls(table[:, 0], table[:, 1])


def read_reasons(conn: psycopg.Connection) -> dict[str, int]:
    """Return the numbers of the words that polls may give as their reason."""
    return dict(conn.execute(_SQL["words"]).fetchall())


class NoteTable:
    """The table of notes, written through one connection. The caller holds the writer lock, and has written the polls."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn

    def add_notes(self, notes: GivenNotes, seq: int) -> NotedPolls:
        """Add notes, whose stores are given by key, in the change with this number. Return the polls about which they say more."""
        last = last_notes(notes)
        given = {
            "store_keys": key_array(last.store.astype(np.int64)),
            "instants": instant_array(last.at_us),
            "codes": key_array(last.code.astype(np.int64)),
            "seq": seq,
        }
        added = self._conn.execute(_SQL["add_notes"], given).fetchall()
        return NotedPolls.of_rows(added)

    def find_repeated(self, polls: NotedPolls, seq: int) -> NotedPolls:
        """Return those of some polls that were stored before this change, which left their status as it was.

        The polls lie in weeks that are indexed.
        """
        if not len(polls):
            return polls
        given = {
            "store_keys": key_array(polls.store),
            "instants": instant_array(polls.at_us),
            "seq": seq,
            "earliest": from_us(int(polls.at_us.min())),
            "latest": from_us(int(polls.at_us.max())),
        }
        return NotedPolls.of_rows(self._conn.execute(_SQL["repeated"], given, prepare=False).fetchall())


def last_notes(notes: GivenNotes) -> GivenNotes:
    """Return the last event and the last reason of each poll: one note if they came with the same status, else two."""
    order = np.lexsort((notes.at_us, notes.store))
    store, at_us, code = notes.store[order], notes.at_us[order], notes.code[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (np.diff(store) > 0) | (np.diff(at_us) > 0)
    first = np.flatnonzero(begins)
    place = np.arange(len(order))
    event, reason = (
        np.maximum.reduceat(np.where(says, place, _NEVER), first)
        for says in (code & _EVENT > 0, code >= _FIRST_REASON)
    )
    has_event, has_reason = event != _NEVER, reason != _NEVER
    as_event = np.where(has_event, (code[event] & _ACTIVE) | _EVENT, 0)
    as_reason = np.where(has_reason, code[reason] & ~_EVENT, 0)
    agree = has_event & has_reason & (as_event & _ACTIVE == as_reason & _ACTIVE)
    # What the first note leaves for a second one.
    rest = has_event & has_reason & ~agree
    codes = np.where(agree, as_event | as_reason, np.where(has_event, as_event, as_reason))
    return GivenNotes(
        np.concatenate((store[first], store[first][rest])),
        np.concatenate((at_us[first], at_us[first][rest])),
        np.concatenate((codes, as_reason[rest])).astype(np.int16),
    )
