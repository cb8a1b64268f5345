"""What a worker's use cases need: servers, lease terms, a way to wake other workers, and the input cache."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from psycopg_pool import ConnectionPool

from services.worker.inputs import InputCache
from services.worker.live.known_rows import WrittenRows
from services.worker.own_parts import OwnParts
from services.worker.short_wakes import ShortWakes
from shared.contracts import Wake
from shared.live.terms import LiveTerms
from shared.reports.claim import LeaseTerms
from shared.storage import Storage
from shared.uptime.bounded_cache import BoundedCache
from shared.uptime.intervals import Int64s

# Of two million stores, and of 700,000.
_LIVE_KEYS_BYTES: Final = 16 << 20
_LIVE_ROWS_BYTES: Final = 16 << 20


@dataclass(frozen=True)
class WorkerContext:
    """One worker process. `wake` may lose messages: the scheduler publishes whatever stays due."""

    pool: ConnectionPool
    storage: Storage
    terms: LeaseTerms
    wake: Callable[[Sequence[Wake]], None]
    inputs: InputCache
    own_parts: OwnParts = field(default_factory=OwnParts)
    live: LiveTerms = field(default_factory=LiveTerms)
    live_keys: BoundedCache[tuple[UUID, int], Int64s] = field(
        default_factory=lambda: BoundedCache(_LIVE_KEYS_BYTES)
    )
    live_rows: BoundedCache[tuple[UUID, int], WrittenRows] = field(
        default_factory=lambda: BoundedCache(_LIVE_ROWS_BYTES)
    )
    short_wakes: ShortWakes = field(default_factory=ShortWakes)
