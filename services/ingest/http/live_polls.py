"""Checks the polls of one live call by the rules for the rows of a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.instants import parse_instant
from services.ingest.parse.reasons import ROW_REASONS
from services.ingest.parse.store_ids import check_store_id
from shared.status_words import STATUSES, fold_status

MAX_POLLS = 10_000
_UNKNOWN_STATUS = (
    "the status is neither active nor inactive; send one of these, or map other words with UPTILL_STATUS_WORDS of the"
    " ingest service"
)


@dataclass(frozen=True)
class LivePolls:
    """The valid polls of one call, in its order: store ids, microseconds since 1970, and whether active."""

    ids: list[str]
    at_us: NDArray[np.int64]
    active: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class PollFault:
    """Why the poll at `index` is refused, and which of its fields is wrong."""

    index: int
    field: str
    message: str


def check_polls(
    ids: Sequence[str],
    statuses: Sequence[str],
    instants: Sequence[str],
    words: Mapping[str, bool] = STATUSES,
) -> LivePolls | list[PollFault]:
    """Return the polls, or everything that is wrong with them. `words` are the words for statuses."""
    faults: list[PollFault] = []
    clean_ids, active = list(ids), np.zeros(len(ids), np.bool_)
    at_us = np.zeros(len(ids), np.int64)
    for index, (store_id, status, instant) in enumerate(zip(ids, statuses, instants, strict=True)):
        clean_ids[index] = clean = store_id.strip(" ")
        if reason := check_store_id(clean):
            faults.append(PollFault(index, "store_id", ROW_REASONS[reason]))
        is_active = words.get(status)
        if is_active is None:
            is_active = words.get(fold_status(status))
        if is_active is None:
            faults.append(PollFault(index, "status", _UNKNOWN_STATUS))
        else:
            active[index] = is_active
        parsed = parse_instant(instant)
        if isinstance(parsed, int):
            at_us[index] = parsed
        else:
            faults.append(PollFault(index, "observed_at", ROW_REASONS[parsed]))
    return faults or LivePolls(clean_ids, at_us, active)
