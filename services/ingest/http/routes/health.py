"""`/livez`: the process runs. `/readyz`: it can take in data; false as soon as it is asked to stop."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, Response
from psycopg_pool import AsyncConnectionPool
from pydantic import Field

from services.ingest.http.context import Context, UploadWait
from services.ingest.http.importer import Importer
from services.ingest.http.imports import oldest_wait_s
from services.ingest.http.spool import Spool
from shared.errors import InfrastructureError
from shared.http.auth import public
from shared.http.readiness import DATABASE_WITHIN_S, OK, Check, Health, database_check, queue_check
from shared.lane import Lane
from shared.uploads import LONG_WAIT_S

router = APIRouter(tags=["operations"], dependencies=[Depends(public)])
_SPOOL_LOOK_S = 30.0  # the disk is reported as silent long before


def ingest_checks(
    pool: AsyncConnectionPool, redis_url: str, spool: Spool, importer: Importer, wait: UploadWait
) -> Sequence[Check]:
    """What the ingest service looks at, each by its name on `/readyz`. Redis, where there is one, only counts calls."""
    checks = [
        database_check(pool),
        _spool_check(spool),
        Check("importer", lambda: _importer(importer), needed=True),
        _imports_check(pool, wait),
    ]
    return [*checks, queue_check(redis_url)] if redis_url else checks


def _spool_check(spool: Spool) -> Check:
    lane = Lane("the spool", InfrastructureError, threads=1, waiting=1, within_s=_SPOOL_LOOK_S, breaks=False)

    def check() -> str:
        try:
            spool.check()
        except OSError as error:
            return str(error)
        return OK

    return Check("spool", lambda: lane.run(check), needed=True, within_s=2.0, close=lane.close)


def _imports_check(pool: AsyncConnectionPool, wait: UploadWait) -> Check:
    async def look() -> str:
        wait.oldest_s = age_s = await oldest_wait_s(pool)
        if age_s <= LONG_WAIT_S:
            return OK
        return f"the oldest upload has waited {age_s:,.0f} s to be loaded; see the service's log"

    return Check("imports", look, needed=False, within_s=DATABASE_WITHIN_S)


async def _importer(importer: Importer) -> str:
    return OK if importer.is_alive else "its thread has ended; see the log"


@router.get("/livez")
async def livez() -> Health:
    """Answer while the process runs."""
    return Health(status="ok")


class IngestHealth(Health):
    """Answer of `/readyz` of the ingest service."""

    oldest_queued_import_age_s: float | None = Field(
        description="How long the upload that has waited longest has waited to be loaded, or for its next chunk, at the last look; 0 if none waits, null until the database has answered."
    )


@router.get("/readyz", responses={503: {"model": IngestHealth, "description": "Data cannot be taken in."}})
async def readyz(context: Context, response: Response) -> IngestHealth:
    """Report what the last look at each component saw; looks go on in the background. 503 when data cannot be taken in.

    An upload that waits long only degrades the service, which still takes in live polls and other uploads.
    """
    health = context.readiness.answer(response)
    return IngestHealth(**health.model_dump(), oldest_queued_import_age_s=context.upload_wait.oldest_s)
