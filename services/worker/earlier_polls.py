"""Read the few older polls that outages need in addition to those of the cache."""

from dataclasses import replace

import numpy as np
import psycopg

from services.worker.failing_stores import find_failing_stores
from services.worker.load import read_polls_before
from shared.clock import to_us
from shared.inputs.batch_input import BatchInput
from shared.inputs.stores import Stores
from shared.reports.model import Batch
from shared.uptime.batch import find_quiet
from shared.uptime.intervals import Int64s
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

    def find_ids(some: BatchInput) -> tuple[list[str], Int64s]:
        as_of_us, windows = to_us(batch.as_of), parse_windows(batch.windows)
        quiet, last_us = find_quiet(some.history, as_of_us, windows, policy, adjustments=some.adjustments)
        return [some.store_ids[place] for place in quiet.tolist()], last_us

    (ids, last_us), _ = find_failing_stores(given, find_ids)
    place_of = {store_id: place for place, store_id in enumerate(given.store_ids)}
    places = np.array([place_of[store_id] for store_id in ids], dtype=np.int64)
    earlier, polls = read_polls_before(conn, stores, places, last_us, policy), given.polls
    more = Polls(
        np.concatenate((polls.store, earlier.store)),
        np.concatenate((polls.at_us, earlier.at_us)),
        np.concatenate((polls.active, earlier.active)),
    )
    return replace(given, polls=more)
