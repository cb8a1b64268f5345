"""Read the few older polls that outages need in addition to those of the cache."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import psycopg

from services.worker.failing_stores import find_failing_stores
from services.worker.load import read_polls_before
from shared.inputs.batch_input import BatchInput
from shared.inputs.stores import Stores
from shared.sealed.reader import SealedPolls
from shared.uptime.batch import find_quiet
from shared.uptime.intervals import Bools, Int64s, expand_ranges
from shared.uptime.policy import Policy
from shared.uptime.states import Polls


def add_earlier_polls(
    conn: psycopg.Connection,
    stores: Stores,
    given: BatchInput,
    policy: Policy,
    range_us: Callable[[Sequence[str | None]], tuple[Int64s, int]],
    sealed: SealedPolls,
) -> BatchInput:
    """Add the polls that tell whether a store was down when its measured time stopped before its windows.

    `range_us` returns when the earliest window of each store starts, for stores with these time zones, and the last instant
    that will be measured. The polls of `given` must be in order. The added ones are few and not cached: one search for each
    store that is closed when its windows start, and has no poll from before it closed.
    """

    def find(some: BatchInput) -> tuple[BatchInput, Int64s, Int64s]:
        if not some.store_ids:
            return some, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        starts_us, until_us = range_us(some.zones)
        return some, *find_quiet(some.history, starts_us, until_us, policy, adjustments=some.adjustments)

    (some, places, last_us), _ = find_failing_stores(given, find)
    if some is not given:
        place_of = {store_id: place for place, store_id in enumerate(given.store_ids)}
        places = np.array([place_of[some.store_ids[place]] for place in places.tolist()], dtype=np.int64)
    lacks = ~_has_before(given.polls, places, last_us - policy.slot_us)
    earlier = read_polls_before(conn, stores, places[lacks], last_us[lacks], policy, sealed)
    return replace(given, polls=join_polls(given.polls, earlier))


def _has_before(polls: Polls, places: Int64s, before_us: Int64s) -> Bools:
    """Return which stores have a poll before an instant. Then they have the last one: no gap is between polls that were read."""
    first = np.searchsorted(polls.store, places)
    has = first < len(polls.store)
    has[has] = (polls.store[first[has]] == places[has]) & (polls.at_us[first[has]] < before_us[has])
    return has


def join_polls(polls: Polls, others: Polls) -> Polls:
    """Return all polls in order, each once. `polls` are in order; the others may be among them."""
    order = np.lexsort((others.at_us, others.store))
    store, at_us, active = others.store[order], others.at_us[order], others.active[order]
    first = np.searchsorted(polls.store, store)
    of, poll = expand_ranges(first, np.searchsorted(polls.store, store, side="right") - first)
    place = first + np.bincount(of[polls.at_us[poll] < at_us[of]], minlength=len(store))
    new = np.ones(len(store), dtype=np.bool_)
    new[of[polls.at_us[poll] == at_us[of]]] = False
    if not new.any():
        return polls
    return Polls(
        np.insert(polls.store, place[new], store[new]),
        np.insert(polls.at_us, place[new], at_us[new]),
        np.insert(polls.active, place[new], active[new]),
    )
