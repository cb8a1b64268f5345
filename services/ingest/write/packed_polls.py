"""Polls of one week as integers, eight bytes a poll, and the statement that reads them page by page."""

from collections.abc import Iterator

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.ingest.parse.last_polls import Bools
from shared.clock import from_us
from shared.db.binary_rows import POLL_RECORD, decode_instants_us, decode_records
from shared.db.queries import queries

_SQL = queries("known_polls")
_READ_PAGES = 1 << 11  # at a time: 320,000 polls
_TIME_BITS, _STORE_BITS = 40, 22  # a week in microseconds; 63 bits with the status


class KeyTooLarge(Exception):
    """A store has a key that does not fit in the packed integer."""


def pack_polls(
    store: NDArray[np.int32], since_monday_us: NDArray[np.int64], active: Bools
) -> NDArray[np.int64]:
    """Return store, instant and status in one integer, most significant first. Raise `KeyTooLarge`."""
    if store.max(initial=0) >> _STORE_BITS:
        raise KeyTooLarge
    packed = store.astype(np.int64) << _TIME_BITS
    packed |= since_monday_us.astype(np.int64)
    packed <<= 1
    packed |= active
    return packed


def read_pages(
    conn: psycopg.Connection, monday_us: int, first_page: int, end_page: int
) -> Iterator[NDArray[np.int64]]:
    """Yield the stored polls of some pages of a week, packed, in the order of the pages. Raise `KeyTooLarge`."""
    for page in range(first_page, end_page, _READ_PAGES):
        pages = {"first": f"({page},0)", "end": f"({min(page + _READ_PAGES, end_page)},0)"}
        values = {"monday": from_us(monday_us), **pages}
        ((packed,),) = conn.cursor(binary=True).execute(_SQL["week_polls"], values)
        rows = decode_records(packed, POLL_RECORD)
        yield pack_polls(rows["store"], decode_instants_us(rows["at_us"]) - monday_us, rows["active"])
