"""The rule for store ids: 1 to 1024 bytes, without surrounding spaces or invisible characters."""

import numpy as np
import polars as pl

from services.ingest.parse.rows import Rows
from shared.texts import UNSEEN

MAX_STORE_ID_BYTES = 1024
_SPACE = ord(" ")


def check_store_id(store_id: str) -> str | None:
    """Return why a store id is rejected, or None if it is valid. Surrounding spaces are already stripped."""
    if not store_id.isascii() and UNSEEN.search(store_id):
        return "control_character"
    if not store_id or len(store_id.encode()) > MAX_STORE_ID_BYTES:
        return "store_id"
    return "control_character" if UNSEEN.search(store_id) else None


def check_store_ids(rows: Rows, faults: dict[int, str]) -> pl.Series:
    """Return the ids of a chunk without surrounding spaces, and add the invalid ones to `faults`."""
    text = np.frombuffer(rows.text, np.uint8)
    ids, starts, ends = rows.ids, rows.starts[0], rows.ends[0]
    if ((text[starts] == _SPACE) | (text[ends - 1] == _SPACE)).any():
        ids = ids.str.strip_chars(" ")
    lengths = ends - starts
    if lengths.size and (lengths.min() == 0 or lengths.max() > MAX_STORE_ID_BYTES or ids is not rows.ids):
        sizes = ids.str.len_bytes().to_numpy()
        invalid = np.flatnonzero((sizes == 0) | (sizes > MAX_STORE_ID_BYTES))
        faults.update((row, "store_id") for row in invalid.tolist())
    return ids


def guess_store_id(text: str) -> str | None:
    """Return the store that a rejected row means: its id without invisible characters. None if it names none."""
    store_id = UNSEEN.sub("", text).strip()
    return store_id if store_id and len(store_id.encode()) <= MAX_STORE_ID_BYTES else None
