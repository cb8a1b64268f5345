"""Facts of many stores on one date as fixed-width records (`packed_day`), as the SQL function `fact_record` makes them."""

from typing import Final

import numpy as np

from shared.uptime.intervals import Int64s

# Key, number of facts, times, outages.
WIDTH: Final = 7
_TIMES: Final = 4
# Bytes of a time: enough for twelve days, and a date has 25 hours at most.
_TIME_BYTES: Final = 5
_RECORD: Final = np.dtype(
    [("store_key", ">i4"), ("facts", ">i2"), ("times", "u1", (_TIMES, _TIME_BYTES)), ("outages", ">i4")]
)
RECORD_BYTES: Final = _RECORD.itemsize


def pack_facts(rows: Int64s) -> bytes:
    """Pack rows of key, number of facts (1, or -1 for a fact that was taken away), excluded, open, up, down and outages.

    All numbers of a fact are given as they were, also of one that was taken away.
    """
    records = np.zeros(len(rows), dtype=_RECORD)
    records["store_key"], records["facts"], records["outages"] = rows[:, 0], rows[:, 1], rows[:, -1]
    times = np.ascontiguousarray(rows[:, 2:-1]).astype(">i8")
    records["times"] = times.view(np.uint8).reshape(-1, _TIMES, 8)[:, :, -_TIME_BYTES:]
    return records.tobytes()


def unpack_facts(packed: bytes) -> Int64s:
    """Return the columns of the rows: keys, numbers of facts, times and outages. Those of a fact taken away are negative."""
    records = np.frombuffer(packed, dtype=_RECORD)
    columns = np.empty((WIDTH, len(records)), dtype=np.int64)
    columns[0], columns[1], columns[-1] = records["store_key"], records["facts"], records["outages"]
    times = np.zeros((len(records), _TIMES, 8), dtype=np.uint8)
    times[:, :, -_TIME_BYTES:] = records["times"]
    columns[2:-1] = times.view(">i8")[:, :, 0].T
    if (columns[1] < 0).any():
        columns[2:] *= columns[1]
    return columns
