"""Join the polls of sealed weeks with those of the table. Each week is in one of them only."""

import numpy as np

from shared.clock import to_us
from shared.inputs.data_range import DataRange
from shared.inputs.stores import Stores, find_places
from shared.sealed.sealed_rows import SealedRows
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.policy import Policy
from shared.uptime.states import Polls


def add_rows(polls: Polls, stores: Stores, rows: SealedRows | None) -> Polls:
    """Return the polls and the rows, in no order."""
    if rows is None or not len(rows):
        return polls
    return Polls(
        np.concatenate((find_places(stores, rows.store_key), polls.store)),
        np.concatenate((rows.at_us, polls.at_us)),
        np.concatenate((rows.active, polls.active)),
    )


def add_needed(polls: Polls, stores: Stores, rows: SealedRows | None, needed: DataRange) -> Polls:
    """Return the polls and the rows. Before `every_from`, only the last one of each store is left."""
    if rows is None or not len(rows):
        return polls
    joined = add_rows(polls, stores, rows)
    is_early = joined.at_us < to_us(needed.every_from)
    return _pick(joined, ~is_early | _is_last(joined, is_early))


def add_last_before(
    polls: Polls, stores: Stores, rows: SealedRows, before_us: Int64s, policy: Policy
) -> Polls:
    """Return what speaks just before an instant of each store: the polls of the slot before it, and the last one before these.

    `polls` are what the table has of this. `before_us` has the instant of each store.
    """
    joined = add_rows(polls, stores, rows)
    age_us = before_us[joined.store] - joined.at_us
    is_near = (age_us > 0) & (age_us <= policy.slot_us)
    is_early = (age_us > policy.slot_us) & (age_us <= policy.horizon_us + policy.slot_us)
    return _pick(joined, is_near | _is_last(joined, is_early))


def _is_last(polls: Polls, among: Bools) -> Bools:
    """Return which polls are the last of their store among some."""
    places = np.flatnonzero(among)
    places = places[np.lexsort((polls.at_us[places], polls.store[places]))]
    store = polls.store[places]
    is_last = np.zeros(len(among), dtype=np.bool_)
    is_last[places[np.append(store[1:] != store[:-1], np.ones(min(1, len(store)), np.bool_))]] = True
    return is_last


def _pick(polls: Polls, which: Bools) -> Polls:
    return Polls(polls.store[which], polls.at_us[which], polls.active[which])
