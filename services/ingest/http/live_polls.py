"""Checks the polls of one live call by the rules for the rows of a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.instants import PADDING, decode_instants, parse_instant
from services.ingest.parse.reasons import ROW_REASONS
from shared.status_words import STATUSES, fold_status
from shared.store_ids import clean_store_id, describe_id_fault, find_id_fault

MAX_POLLS = 10_000
_DECODED_FROM = 16  # instants; fewer are parsed sooner one by one
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
    *,
    allow_odd_ids: bool = False,
) -> LivePolls | list[PollFault]:
    """Return the polls, or everything that is wrong with them. `words` are the words for statuses."""
    faults: list[PollFault] = []
    clean_ids, active = list(ids), np.zeros(len(ids), np.bool_)
    at_us, decoded = _decode(instants)
    for index, (store_id, status, instant) in enumerate(zip(ids, statuses, instants, strict=True)):
        clean_ids[index] = clean = clean_store_id(store_id)
        if reason := find_id_fault(clean, allow_odd=allow_odd_ids):
            faults.append(PollFault(index, "store_id", describe_id_fault(clean, reason)))
        is_active = words.get(status)
        if is_active is None:
            is_active = words.get(fold_status(status))
        if is_active is None:
            faults.append(PollFault(index, "status", _UNKNOWN_STATUS))
        else:
            active[index] = is_active
        if decoded[index]:
            continue
        parsed = parse_instant(instant)
        if isinstance(parsed, int):
            at_us[index] = parsed
        else:
            faults.append(PollFault(index, "observed_at", ROW_REASONS[parsed]))
    return faults or LivePolls(clean_ids, at_us, active)


def _decode(instants: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return microseconds since 1970 of the instants in their usual forms, and which these are."""
    text = "\n".join(instants)
    if len(instants) < _DECODED_FROM or not text.isascii():
        return np.zeros(len(instants), np.int64), np.zeros(len(instants), np.bool_)
    lengths = np.fromiter(map(len, instants), np.int64, len(instants))
    ends = np.cumsum(lengths + 1) - 1
    return decode_instants(text.encode() + PADDING, ends - lengths, ends)
