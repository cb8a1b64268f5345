"""What parsing hands to writing: the valid rows of one chunk and its rejects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.encodings import Encoding
from services.ingest.parse.last_polls import DedupedPolls
from services.ingest.parse.reasons import Reject
from services.ingest.parse.store_numbers import StoreNumbers
from shared.columns import ValueColumn

# Values of rows by the name of their column in `import_staged`. Rows of packed kinds have the number of their `store` in the file
# instead of its id. `date`: of special hours, or from which hours apply.
# `begins`, `ends`: of a lifetime or a closure. `details`: of a closure or a directory, as JSON.
Columns = Mapping[str, ValueColumn]


class HeldRow(NamedTuple):
    """A rejected row whose store is known. It only holds the store back, and says which day it has."""

    store_id: str
    line: int
    byte_offset: int
    reason: str
    raw: bytes = b""
    day_of_week: int | None = None
    day_number: int | None = None


class ParsedChunk(Protocol):
    """One chunk after validation."""

    @property
    def chunk(self) -> Chunk: ...
    @property
    def encoding(self) -> Encoding | None:
        """The encoding of the file as far as it was read; None while it is all ASCII."""
        ...

    @property
    def rejects(self) -> Sequence[Reject]: ...
    @property
    def rows_read(self) -> int: ...


@dataclass(frozen=True)
class GivenNotes:
    """What polls say besides a status, in the order of the file. A store is its number in the file, or its key.

    `code`: as `poll_note` has it.
    """

    store: NDArray[np.int32]
    at_us: NDArray[np.int64]
    code: NDArray[np.int16]


@dataclass(frozen=True)
class ParsedPolls:
    """The deduplicated polls of one chunk, whose bytes are dropped.

    Polls name a store by its number in `stores`, which held `store_count` stores at that time. `maybe_repeated` marks
    the polls that an earlier chunk may have held; if the parser `forgot_earlier` ones, only of those from this chunk on.
    `notes` is None if no poll has one.
    """

    chunk: Chunk
    stores: StoreNumbers
    store_count: int
    deduped: DedupedPolls
    maybe_repeated: NDArray[np.bool_]
    rejects: list[Reject]
    rows_read: int
    cut_fractions: int
    assumed_utc: int
    encoding: Encoding | None = None
    notes: GivenNotes | None = None
    forgot_earlier: bool = False


@dataclass(frozen=True)
class ParsedLocalHours:
    """The rows of one chunk of any kind except polls. `held` repeats the rejects whose store is known.

    `new_ids`: the stores that no earlier chunk has. They are numbered on from `known`, the number of earlier ones. `around`: the
    text before and after the id, by the place of a row's values, if each line of the chunk consists of it and the id.
    """

    chunk: Chunk
    valid: Columns
    held: Sequence[HeldRow]
    rejects: Sequence[Reject]
    encoding: Encoding | None = None
    new_ids: Sequence[str] = ()
    known: int = 0
    around: Sequence[tuple[str, str]] | None = None

    @property
    def rows_read(self) -> int:
        return len(self.valid["line"]) + len(self.rejects)
