"""Checks the polls of one call, as columns, by the rules of a file's rows. Knows no database."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.instants import parse_instant
from services.ingest.parse.reasons import ROW_REASONS
from services.ingest.parse.store_ids import MAX_STORE_ID_BYTES
from shared.texts import UNSEEN

MAX_POLLS = 10_000
_STATUSES = {"active": True, "inactive": False}


@dataclass(frozen=True)
class LivePolls:
    """Valid polls of one call in their order: store ids, microseconds since 1970, whether active."""

    ids: list[str]
    at_us: NDArray[np.int64]
    active: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Fault:
    """Why the poll at `index` is refused."""

    index: int
    field: str
    message: str


def check_polls(
    ids: Sequence[str], statuses: Sequence[str], instants: Sequence[str]
) -> LivePolls | list[Fault]:
    """The polls, or everything that is wrong with them."""
    faults: list[Fault] = []
    clean_ids, active = list(ids), np.zeros(len(ids), np.bool_)
    at_us = np.zeros(len(ids), np.int64)
    for index, (store_id, status, instant) in enumerate(zip(ids, statuses, instants, strict=True)):
        clean_ids[index] = clean = store_id.strip(" ")
        if reason := store_id_fault(clean):
            faults.append(Fault(index, "store_id", ROW_REASONS[reason]))
        is_active = _STATUSES.get(status)
        if is_active is None:
            is_active = _STATUSES.get(status.strip(" ").lower())
        if is_active is None:
            faults.append(Fault(index, "status", ROW_REASONS["status"]))
        else:
            active[index] = is_active
        parsed = parse_instant(instant)
        if isinstance(parsed, int):
            at_us[index] = parsed
        else:
            faults.append(Fault(index, "observed_at", ROW_REASONS[parsed]))
    return faults or LivePolls(clean_ids, at_us, active)


def store_id_fault(store_id: str) -> str | None:
    """The reason to refuse this store id, already without spaces around it."""
    if not store_id.isascii() and UNSEEN.search(store_id):
        return "control_character"
    if not store_id or len(store_id.encode()) > MAX_STORE_ID_BYTES:
        return "store_id"
    return "control_character" if UNSEEN.search(store_id) else None
