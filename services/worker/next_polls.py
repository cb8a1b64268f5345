"""The polls of a cached input that measured days need. After the days' end that is one of each store, and few are not cached."""

from datetime import datetime

import numpy as np
import psycopg

from services.worker.earlier_polls import join_polls
from services.worker.load import read_polls_after
from shared.inputs.stores import Stores
from shared.sealed.reader import SealedPolls
from shared.uptime.days import without_later_polls
from shared.uptime.states import Polls


def add_next_polls(
    conn: psycopg.Connection,
    stores: Stores,
    polls: Polls,
    ends_us: int,
    unread: tuple[datetime, datetime],
    sealed: SealedPolls,
) -> Polls:
    """Return the polls that days up to `ends_us` need. `polls` are in order, up to and including the start of `unread`.

    Only the stores that have no poll at `ends_us` or later are searched for one in `unread`.
    """
    has_next = np.zeros(len(stores.ids), dtype=np.bool_)
    has_next[polls.store[polls.at_us >= ends_us]] = True
    polls = without_later_polls(polls, ends_us)
    after, to_time = unread
    if has_next.all() or to_time <= after:
        return polls
    places = np.flatnonzero(~has_next)
    found = read_polls_after(conn, stores.choose(places), after, to_time, sealed)
    return join_polls(polls, Polls(places[found.store], found.at_us, found.active))
