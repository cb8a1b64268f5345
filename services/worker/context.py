"""What the use cases of a worker work with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg_pool import ConnectionPool

from services.worker.inputs import InputCache
from shared.contracts import Wake
from shared.reports.claim import LeaseTerms
from shared.storage import Storage


@dataclass(frozen=True)
class WorkerContext:
    """The worker's database, its bucket, the terms on which it takes leases, a way to wake others, and what it remembers.

    `wake` may lose what it is given: the scheduler publishes whatever stays due.
    """

    pool: ConnectionPool
    storage: Storage
    terms: LeaseTerms
    wake: Callable[[Sequence[Wake]], None]
    inputs: InputCache
