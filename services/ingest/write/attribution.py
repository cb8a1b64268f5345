"""Counts the outcome of polls: which were accepted, duplicates or corrections, for a file or for each of several calls."""

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.last_polls import Bools, DedupedPolls
from services.ingest.write.counts import RowCounts

_ACCEPTED, _DUPLICATE, _CORRECTED = range(3)
_OUTCOMES = 3


def count_repeats(deduped: DedupedPolls) -> RowCounts:
    """Count the polls that repeat or correct an earlier one of the same file."""
    corrected = int(deduped.is_correction.sum())
    return RowCounts(duplicate=int(deduped.is_repeat.sum()) - corrected, corrected=corrected)


def count_by_call(
    call: NDArray[np.int64], deduped: DedupedPolls, is_new: Bools, is_contradicting: Bools
) -> list[RowCounts]:
    """Count the polls of each call, as if the calls were files that are loaded one after the other.

    `call` is the number of each poll's call, in the order of arrival. The masks are of the deduplicated polls: which
    were not stored before, and which were stored with another status than the first poll's.
    """
    outcome = np.where(deduped.is_correction, _CORRECTED, _DUPLICATE)
    outcome[~deduped.is_repeat] = np.where(
        is_new, _ACCEPTED, np.where(is_contradicting, _CORRECTED, _DUPLICATE)
    )
    calls = int(call.max()) + 1
    table = np.bincount(call[deduped.order] * _OUTCOMES + outcome, minlength=calls * _OUTCOMES)
    return [RowCounts(*map(int, row)) for row in table.reshape(calls, _OUTCOMES)]
