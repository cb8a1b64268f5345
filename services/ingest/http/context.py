"""What the routes work with, built once in `main` and kept on the application."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from services.ingest.http.group_commit import GroupCommit
from services.ingest.http.importer import Importer
from services.ingest.http.spool import Spool
from shared.db.pools import Pools
from shared.errors import ImportNotFound
from shared.http.auth import Caller
from shared.http.readiness import Readiness
from shared.http.stopping import Stopping
from shared.keys import ApiKey
from shared.lane import Lane
from shared.settings import Settings


@dataclass
class UploadWait:
    """How long the oldest waiting upload had waited at the last look; None until there was one."""

    oldest_s: float | None = None


@dataclass(frozen=True)
class IngestContext:
    """The service's servers, threads and settings. One that is stopping should get no new work.

    Changes of stores block a thread each while an import holds the tables, so they have a lane of their own.
    """

    settings: Settings
    pools: Pools
    spool: Spool
    importer: Importer
    live: GroupCommit
    stopping: Stopping
    changes_lane: Lane
    readiness: Readiness
    upload_wait: UploadWait


async def _context(
    request: Request,
) -> IngestContext:  # a plain function would go through a thread, at each call
    context: IngestContext = request.app.state.context
    return context


async def _import_id(import_id: str) -> UUID:
    """Raise `ImportNotFound` also for what is no id."""
    try:
        return UUID(import_id)
    except ValueError:
        raise ImportNotFound(f"there is no import {import_id!r}") from None


Context = Annotated[IngestContext, Depends(_context)]
Writer = Annotated[ApiKey, Depends(Caller("ingest:write"))]
ImportId = Annotated[UUID, Depends(_import_id)]
