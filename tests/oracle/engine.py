"""Runs the engine on the plain stores that the oracle takes, and gives its numbers in the oracle's form."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from shared.uptime.adjustments import Adjustments
from shared.uptime.batch import StoreHistory, measure_batch
from shared.uptime.calendar import Hours
from shared.uptime.kernel import Measures, Polls
from shared.uptime.notes import PollNotes
from shared.uptime.policy import POLICIES
from shared.uptime.window import Window, parse_window
from tests.oracle.accounting import HoursRow, Poll

# The numbers of the release's reasons, as in migration 0052.
REASONS = {"": 0, "paused_by_store": 1, "busy": 4, "technical": 6}


class Store(NamedTuple):
    zone: str | None
    hours: Sequence[HoursRow]
    polls: Sequence[Poll]


def hours_of(stores: Sequence[Store]) -> Hours:
    rows = [(number, *row) for number, store in enumerate(stores) for row in store.hours]
    return Hours(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def polls_of(stores: Sequence[Store]) -> Polls:
    rows = [(number, *poll[:2]) for number, store in enumerate(stores) for poll in store.polls]
    number, at_us, active = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Polls(number, at_us, active.astype(np.bool_))


def notes_of(polls: Sequence[Sequence[Poll]], excluded: Sequence[str] = ()) -> PollNotes:
    """The events and the reasons among the polls of each store."""
    rows = [
        (number, *poll[:3], REASONS[poll.reason])
        for number, given in enumerate(polls)
        for poll in given
        if poll.event or poll.reason
    ]
    number, at_us, active, event, reason = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    return PollNotes(
        number,
        at_us,
        active.astype(np.bool_),
        event.astype(np.bool_),
        reason,
        tuple(REASONS[word] for word in excluded),
    )


def measured(
    stores: Sequence[Store], as_of_us: int, policy: str, windows: Mapping[str, int | str]
) -> list[dict[str, dict[str, int]]]:
    """What the engine says about a batch: for each store the same mapping that the oracle gives."""
    measures = measure_batch(
        StoreHistory([store.zone for store in stores], hours_of(stores), polls_of(stores)),
        as_of_us,
        [engine_window(name, window) for name, window in windows.items()],
        POLICIES[policy],
        adjustments=Adjustments(notes=notes_of([store.polls for store in stores])),
    )
    return [
        {name: numbers(measures, store, window) for window, name in enumerate(windows)}
        for store in range(len(stores))
    ]


def engine_window(name: str, window: int | str) -> Window:
    return Window(name, window) if isinstance(window, int) else parse_window(window)


def numbers(measures: Measures, store: int, window: int) -> dict[str, int]:
    names = ("scheduled_us", *Measures.__slots__)
    return {name: int(getattr(measures, name)[store, window]) for name in names}
