"""Finds store ids that differ only in case or in leading zeros, such as `A-7` and `a-007`. They stay different stores."""

from collections.abc import Iterator, Sequence
from secrets import randbits
from typing import Any, Final

import numpy as np
import polars as pl
import psycopg
from numpy.typing import NDArray

from shared.db.arrays import text_array
from shared.db.queries import queries

_SQL = queries("quality")
LISTED_PAIRS = 100
_STORES_AT_ONCE: Final = 50_000
_FEW: Final = 20_000
_LOWEST_KEY: Final = -(2**31)
# Each process draws its own, so no ids can be made that hide from each other.
_SEED: Final = randbits(32)

Hashes = NDArray[np.uint64]


def find_look_alikes(conn: psycopg.Connection, store_ids: Sequence[str] | pl.Series) -> dict[str, Any]:
    """Return what the quality report says: pairs of ids that look alike, at least one of them among `store_ids`.

    Empty if there are none. Of n ids that look alike, each is paired with the next.
    """
    given = pl.Series("store_id", store_ids, pl.String)
    forms = _hash(_coarsen(given))
    sorted_forms = np.sort(forms)
    others = _find_others(conn, given, sorted_forms) if len(given) else given
    doubtful = [sorted_forms[1:][sorted_forms[1:] == sorted_forms[:-1]], _hash(_coarsen(others))]
    suspects = given.filter(pl.Series(_are_among(forms, np.sort(np.concatenate(doubtful)))))
    if not len(suspects):
        return {}
    values = {"ids": text_array(suspects), "others": text_array(others), "limit": LISTED_PAIRS}
    pairs = conn.execute(_SQL["look_alikes"], values).fetchall()
    if not pairs:
        return {}
    listed = [{"store_id": store_id, "other": other} for _, store_id, other in pairs]
    return {"look_alikes": pairs[0][0], "look_alikes_list": listed}


def _find_others(conn: psycopg.Connection, given: pl.Series, forms: Hashes) -> pl.Series:
    """Return the stores that are not given and have one of these forms, which are sorted."""
    known = np.sort(_hash(given))
    found = [
        ids.filter(pl.Series(_are_among(_hash(_coarsen(ids)), forms) & ~_are_among(_hash(ids), known)))
        for ids in _read_ids(conn, given)
    ]
    return pl.concat([given.clear(), *found])


def _read_ids(conn: psycopg.Connection, given: pl.Series) -> Iterator[pl.Series]:
    """Yield the ids of all stores, or of those that may look like the given ones, if these are few.

    Measured for a million stores: to compare a million ids takes Postgres 4 s, and to read them 0.4 s.
    """
    if len(given) <= _FEW:
        near = conn.execute(_SQL["near_stores"], {"ids": text_array(given)})
        yield pl.Series("store_id", [store_id for (store_id,) in near], pl.String)
        return
    after: int | None = _LOWEST_KEY
    while after is not None:
        asked = {"after": after, "stores": _STORES_AT_ONCE}
        ((ids, after),) = conn.execute(_SQL["page_of_stores"], asked, binary=True)
        yield pl.Series("store_id", ids or [], pl.String)


def _coarsen(ids: pl.Series) -> pl.Series:
    """Return a form that ids which look alike have in common. Few others share it: it ignores zeros, and all beyond ASCII."""
    coarse = ids.str.to_lowercase().str.replace_all("0", "", literal=True)
    is_ascii = (coarse.str.len_bytes() == coarse.str.len_chars()).all()
    return coarse if is_ascii else coarse.str.replace_all(r"[^\x00-\x7f]", "")


def _hash(texts: pl.Series) -> Hashes:
    return texts.hash(_SEED).to_numpy()


def _are_among(hashes: Hashes, wanted: Hashes) -> NDArray[np.bool_]:
    """Return which of the hashes are wanted. Those are sorted."""
    if not wanted.size:
        return np.zeros(len(hashes), np.bool_)
    place = np.searchsorted(wanted, hashes)
    return np.asarray(wanted[np.minimum(place, len(wanted) - 1)] == hashes, np.bool_)
