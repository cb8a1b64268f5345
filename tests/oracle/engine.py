"""Runs the engine on the plain stores that the oracle takes, and gives its numbers in the oracle's form."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from shared.uptime.batch import StoreHistory, measure_batch
from shared.uptime.calendar import Hours
from shared.uptime.kernel import Measures, Polls
from shared.uptime.policy import POLICIES
from shared.uptime.window import Window, parse_window
from tests.oracle.accounting import HoursRow, Poll


class Store(NamedTuple):
    zone: str | None
    hours: Sequence[HoursRow]
    polls: Sequence[Poll]


def hours_of(stores: Sequence[Store]) -> Hours:
    rows = [(number, *row) for number, store in enumerate(stores) for row in store.hours]
    return Hours(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def polls_of(stores: Sequence[Store]) -> Polls:
    rows = [(number, *poll) for number, store in enumerate(stores) for poll in store.polls]
    number, at_us, active = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Polls(number, at_us, active.astype(np.bool_))


def measured(
    stores: Sequence[Store], as_of_us: int, policy: str, windows: Mapping[str, int | str]
) -> list[dict[str, dict[str, int]]]:
    """What the engine says about a batch: for each store the same mapping that the oracle gives."""
    measures = measure_batch(
        StoreHistory([store.zone for store in stores], hours_of(stores), polls_of(stores)),
        as_of_us,
        [engine_window(name, window) for name, window in windows.items()],
        POLICIES[policy],
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
