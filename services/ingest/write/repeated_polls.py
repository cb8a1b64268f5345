"""Finds polls that are stored already, by reading only the pages of their week that hold polls written together with them.

A file that is loaded again has its rows in the order in which the table has them. So a few of its polls, looked up by
index, show the pages of all others. What these pages hold is known; what they lack may be stored elsewhere.
"""

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.last_polls import Bools, LastPolls
from services.ingest.write.packed_polls import KeyTooLarge, pack_polls, read_pages
from shared.clock import from_us
from shared.db.arrays import instant_array, key_array
from shared.db.binary_rows import decode_records
from shared.db.queries import queries

_SQL = queries("known_polls")
_PLACE = np.dtype([("page", ">u4"), ("offset", ">u2")])
_FEWEST_POLLS = 512  # fewer are compared by the server
_LOOK_UP_EVERY = 64
_STRETCH_PAGES = 4  # 628 polls
_JOINED_GAP = 2  # the numbers of stretches that are read at once, with at most one other between them
# Reading a stretch costs as much as having the server compare 70 of its polls, so one in 64 is not enough.
_FEWEST_FOUND = 2


def find_repeated(conn: psycopg.Connection, monday_us: int, polls: LastPolls) -> Bools:
    """Return a mask of the polls, all of the week from `monday_us` on, that are known to change nothing."""
    same = np.zeros(len(polls), np.bool_)
    if len(polls) < _FEWEST_POLLS:
        return same
    try:
        packed = pack_polls(polls.store, polls.at_us - monday_us, polls.active)
        for first_page, end_page in _find_pages(conn, monday_us, polls):
            for stored in read_pages(conn, monday_us, first_page, end_page):
                same |= _are_among(packed, stored)
    except KeyTooLarge:
        return np.zeros(len(polls), np.bool_)
    one_status: Bools = polls.first_active == polls.active
    return same & one_status


def _find_pages(conn: psycopg.Connection, monday_us: int, polls: LastPolls) -> list[tuple[int, int]]:
    """Return stretches of pages, each from the first up to one that it does not include, that hold many of the polls."""
    values = {
        "store_keys": key_array(polls.store[::_LOOK_UP_EVERY].astype(np.int64)),
        "instants": instant_array(polls.at_us[::_LOOK_UP_EVERY]),
        "monday": from_us(monday_us),
    }
    # Planned for this week alone.
    cursor = conn.cursor(binary=True).execute(_SQL["poll_places"], values, prepare=False)
    ((places,),) = cursor
    stretch, found = np.unique(decode_records(places, _PLACE)["page"] // _STRETCH_PAGES, return_counts=True)
    return _join_stretches(stretch[found >= _FEWEST_FOUND].astype(np.int64))


def _join_stretches(stretch: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the pages of sorted stretches. Two with at most one between them are read together."""
    if not len(stretch):
        return []
    parts = np.split(stretch, np.flatnonzero(np.diff(stretch) > _JOINED_GAP) + 1)
    return [(int(part[0]) * _STRETCH_PAGES, (int(part[-1]) + 1) * _STRETCH_PAGES) for part in parts]


def _are_among(packed: NDArray[np.int64], stored: NDArray[np.int64]) -> Bools:
    """Return which of the polls are among the stored ones."""
    stored.sort()
    place = np.searchsorted(stored, packed)
    # Beyond the last one is none.
    place[place == len(stored)] = 0
    return stored[place] == packed if len(stored) else np.zeros(len(packed), np.bool_)
