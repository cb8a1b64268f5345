"""What the routes work with, built once in `main` and kept on the application."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from services.api.changes import ReportChanges
from services.api.files import FileLooks
from services.api.links import LinkAudit
from services.api.report_reads import ReportLooks
from services.api.signing import LinkSigner
from services.api.use_cases.database_pressure import Pressure
from shared.db.pools import Pools
from shared.http.readiness import Readiness
from shared.http.stopping import Stopping
from shared.lane import Lane
from shared.publisher import Publisher
from shared.reports.trigger import BatchTerms
from shared.settings import Settings
from shared.storage import Storage


@dataclass(frozen=True)
class ApiContext:
    """The API's servers and settings. One that is stopping should get no new work.

    Blocking calls to a server go through its lane, so that one that hangs holds up only those who need it.
    """

    settings: Settings
    pools: Pools
    publisher: Publisher
    storage: Storage
    storage_lane: Lane
    keys_lane: Lane
    signer: LinkSigner
    stopping: Stopping
    links: LinkAudit
    pressure: Pressure
    changes: ReportChanges
    looks: ReportLooks
    files: FileLooks
    batch_terms: BatchTerms
    readiness: Readiness


async def _context(
    request: Request,
) -> ApiContext:  # a plain function would go through a thread, at each call
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(_context)]
