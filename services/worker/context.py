"""What the use cases of a worker work with."""

from dataclasses import dataclass

from psycopg_pool import ConnectionPool

from shared.reports.claim import LeaseTerms
from shared.storage import Storage


@dataclass(frozen=True)
class WorkerContext:
    """The worker's database, its bucket, and the terms on which it takes leases."""

    pool: ConnectionPool
    storage: Storage
    terms: LeaseTerms
