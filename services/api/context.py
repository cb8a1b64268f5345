"""What the routes work with, built once in `main` and kept on the application."""

from dataclasses import dataclass
from typing import Annotated

from dramatiq.brokers.redis import RedisBroker
from fastapi import Depends, Request
from psycopg_pool import AsyncConnectionPool

from services.api.changes import ReportChanges
from services.api.files import FileLooks
from services.api.links import LinkAudit
from services.api.looks import ReportLooks
from services.api.signing import LinkSigner
from shared.http.stopping import Stopping
from shared.reports.pressure import Pressure
from shared.reports.trigger import BatchTerms
from shared.settings import Settings
from shared.storage import Storage


@dataclass(frozen=True)
class ApiContext:
    """The API's servers and settings. One that is stopping should get no new work."""

    settings: Settings
    pool: AsyncConnectionPool
    broker: RedisBroker
    storage: Storage
    signer: LinkSigner
    stopping: Stopping
    links: LinkAudit
    pressure: Pressure
    changes: ReportChanges
    looks: ReportLooks
    files: FileLooks
    batch_terms: BatchTerms


async def _context(
    request: Request,
) -> ApiContext:  # a plain function would go through a thread, at each call
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(_context)]
