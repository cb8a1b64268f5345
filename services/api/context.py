"""The servers and settings that routes and use cases work with, built once in `main`."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from services.api.backlog import BacklogCheck
from services.api.changes import ReportChanges
from services.api.download_links import FileChecks, LinkAudit, LinkSigner
from services.api.ingest_calls import IngestRelay
from services.api.report_reads import ReportReads
from services.api.store_turns import StoreTurn, StoreTurns
from services.api.turns import KeyTurns
from services.api.use_cases.fleet_hours import FleetHours
from services.api.use_cases.live_feed import LiveFeed
from services.api.use_cases.remembered import Remembered
from services.api.use_cases.sealed_polls import SealedReads
from services.api.use_cases.series import Series
from shared.db.pools import Pools
from shared.http.readiness import Readiness
from shared.http.stopping import Stopping
from shared.lane import Lane
from shared.publisher import Publisher
from shared.reports.acceptance import BatchTerms
from shared.settings import Settings
from shared.storage import Storage

if TYPE_CHECKING:
    from services.api.oidc.provider import Provider


@dataclass(frozen=True)
class ApiContext:
    """The API's servers and settings.

    Blocking calls to a server go through its lane, so that a server that hangs delays only the calls that need it.
    """

    settings: Settings
    pools: Pools
    publisher: Publisher
    storage: Storage
    storage_lane: Lane
    sealed: SealedReads
    keys_lane: Lane
    outage_lane: Lane
    outage_turns: KeyTurns
    series_lane: Lane
    series_turns: KeyTurns
    store_turns: StoreTurns
    signer: LinkSigner
    stopping: Stopping
    links: LinkAudit
    pressure: BacklogCheck
    changes: ReportChanges
    reads: ReportReads
    files: FileChecks
    batch_terms: BatchTerms
    readiness: Readiness
    live_feed: LiveFeed
    series_kept: Remembered[Sequence[Series]]
    hours_kept: Remembered[FleetHours | None]
    views_kept: Remembered[Any]
    outages_kept: Remembered[Any]
    ingest: IngestRelay
    provider: "Provider | None" = None


# Not a plain function: FastAPI would run it in a thread, for each call.
async def _get_context(request: Request) -> ApiContext:
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(_get_context)]


async def _take_store_turn(request: Request, context: Context) -> AsyncIterator[StoreTurn]:
    async with context.store_turns.take(request.state.caller.prefix) as turn:
        yield turn


# For routes that compute one store. It goes after the parameter that finds the key, and ends when the answer is sent.
OneStoreTurn = Annotated[StoreTurn, Depends(_take_store_turn)]
