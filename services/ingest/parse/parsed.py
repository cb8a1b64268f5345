"""What parsing hands to writing: the valid rows of one chunk and its rejects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.last_polls import DedupedPolls
from services.ingest.parse.reasons import Reject
from services.ingest.parse.store_numbers import StoreNumbers

StagedFields = tuple[object, ...]


class ParsedChunk(Protocol):
    """One chunk after validation."""

    @property
    def chunk(self) -> Chunk: ...
    @property
    def rejects(self) -> Sequence[Reject]: ...
    @property
    def rows_read(self) -> int: ...


@dataclass(frozen=True)
class ParsedPolls:
    """The deduplicated polls of one chunk, whose bytes are dropped.

    Polls name a store by its number in `stores`, which held `store_count` stores at that time. `maybe_repeated` marks
    the polls that an earlier chunk may have held.
    """

    chunk: Chunk
    stores: StoreNumbers
    store_count: int
    deduped: DedupedPolls
    maybe_repeated: NDArray[np.bool_]
    rejects: list[Reject]
    rows_read: int
    cut_fractions: int


@dataclass(frozen=True)
class ParsedLocalHours:
    """The valid opening hours or time zones of one chunk, as they are staged: (store_id, …)."""

    chunk: Chunk
    valid: Sequence[StagedFields]
    rejects: Sequence[Reject]

    @property
    def rows_read(self) -> int:
        return len(self.valid) + len(self.rejects)
