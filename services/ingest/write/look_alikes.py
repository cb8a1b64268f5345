"""Finds store ids that differ only in case or in leading zeros, such as `A-7` and `a-007`. They stay different stores."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import psycopg

from shared.db.arrays import text_array
from shared.db.queries import queries

_SQL = queries("quality")
LISTED_PAIRS = 100


def find_look_alikes(conn: psycopg.Connection, store_ids: Sequence[str] | pl.Series) -> dict[str, Any]:
    """Return what the quality report says: pairs of ids that look alike, at least one of them among `store_ids`.

    Empty if there are none. Of n ids that look alike, each is paired with the next.
    """
    values = {"ids": text_array(store_ids), "limit": LISTED_PAIRS}
    pairs = conn.execute(_SQL["look_alikes"], values).fetchall()
    if not pairs:
        return {}
    listed = [{"store_id": store_id, "other": other} for _, store_id, other in pairs]
    return {"look_alikes": pairs[0][0], "look_alikes_list": listed}
