"""Read the few older polls that outages need in addition to those of the cache."""

from dataclasses import replace

import numpy as np
import psycopg

from services.worker.failing_stores import find_failing_stores
from services.worker.load import read_polls_before
from shared.clock import to_us
from shared.inputs.batch_input import BatchInput
from shared.inputs.stores import Stores
from shared.reports.batch import Batch
from shared.uptime.batch import find_quiet
from shared.uptime.intervals import Int64s, Line
from shared.uptime.policy import POLICIES
from shared.uptime.states import Polls
from shared.uptime.window import parse_windows


def add_earlier_polls(
    conn: psycopg.Connection, batch: Batch, stores: Stores, given: BatchInput
) -> BatchInput:
    """Add the polls that tell whether a store was down when its measured time stopped before the windows.

    They are few and not cached: one search for each store that is closed when its earliest window starts.
    """
    policy = POLICIES[batch.policy]

    def find(some: BatchInput) -> tuple[BatchInput, Int64s, Int64s]:
        as_of_us, windows = to_us(batch.as_of), parse_windows(batch.windows)
        return some, *find_quiet(some.history, as_of_us, windows, policy, adjustments=some.adjustments)

    (some, places, last_us), _ = find_failing_stores(given, find)
    if some is not given:
        place_of = {store_id: place for place, store_id in enumerate(given.store_ids)}
        places = np.array([place_of[some.store_ids[place]] for place in places.tolist()], dtype=np.int64)
    earlier = read_polls_before(conn, stores, places, last_us, policy)
    return replace(given, polls=_join(given.polls, earlier, len(given.store_ids)))


def _join(polls: Polls, earlier: Polls, stores: int) -> Polls:
    """Return all polls in order. `polls` are in order; the earlier ones of a store come before them, or are among them."""
    if not len(earlier.store):
        return polls
    both = (polls, earlier)
    first_us = min(int(each.at_us.min(initial=earlier.at_us[0])) for each in both)
    last_us = max(int(each.at_us.max(initial=earlier.at_us[0])) for each in both)
    line = Line.covering(first_us, last_us, stores)
    new = line.place(earlier.store, earlier.at_us)
    order = np.argsort(new)
    at = np.searchsorted(line.place(polls.store, polls.at_us), new[order])
    return Polls(
        np.insert(polls.store, at, earlier.store[order]),
        np.insert(polls.at_us, at, earlier.at_us[order]),
        np.insert(polls.active, at, earlier.active[order]),
    )
