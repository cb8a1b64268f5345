"""What the routes need, built once in `main` and kept on the application."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from services.ingest.http.group_commit import GroupCommit
from services.ingest.http.hook_calls import HeldBodies
from services.ingest.http.hook_ring import HookRing
from services.ingest.http.ignored_calls import IgnoredCalls
from services.ingest.http.importer import Importer
from services.ingest.http.spool import Spool
from shared.db.pools import Pools
from shared.errors import ImportNotFound
from shared.http.auth import RequireScope
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
    """The service's connections, threads and settings. `status_words`: the words for the statuses of live polls.

    Each change of a store blocks a thread while an import has the tables locked, so changes have a lane of their
    own. So have dry runs of uploads, which may take minutes.
    """

    settings: Settings
    pools: Pools
    spool: Spool
    importer: Importer
    live: GroupCommit
    hooks: HookRing
    held_bodies: HeldBodies
    ignored_calls: IgnoredCalls
    stopping: Stopping
    changes_lane: Lane
    dry_runs_lane: Lane
    readiness: Readiness
    upload_wait: UploadWait
    status_words: Mapping[str, bool]


# Not a plain function: FastAPI would run it in a thread at each call.
async def _get_context(request: Request) -> IngestContext:
    context: IngestContext = request.app.state.context
    return context


async def _parse_import_id(import_id: str) -> UUID:
    """Parse an id. A malformed id names no import."""
    try:
        return UUID(import_id)
    except ValueError:
        raise ImportNotFound(
            f"import {import_id!r} does not exist: GET /v1/imports (`uptill imports list`) lists the imports"
        ) from None


Context = Annotated[IngestContext, Depends(_get_context)]
Writer = Annotated[ApiKey, Depends(RequireScope("ingest:write"))]
ImportId = Annotated[UUID, Depends(_parse_import_id)]
