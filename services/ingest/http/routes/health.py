"""`/livez`: the process runs. `/readyz`: it can accept data, until it is asked to stop."""

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
_SPOOL_CHECK_S = 30.0  # a silent disk is reported long before


def ingest_checks(
    pool: AsyncConnectionPool, redis_url: str, spool: Spool, importer: Importer, wait: UploadWait
) -> Sequence[Check]:
    """Return the checks of the ingest service. Redis is checked only if it is configured; it just counts calls."""
    checks = [
        database_check(pool),
        _make_spool_check(spool),
        Check("importer", lambda: _check_importer(importer), needed=True),
        _make_imports_check(pool, wait),
    ]
    return [*checks, queue_check(redis_url)] if redis_url else checks


def _make_spool_check(spool: Spool) -> Check:
    lane = Lane("the spool", InfrastructureError, threads=1, waiting=1, within_s=_SPOOL_CHECK_S, breaks=False)

    def check_spool() -> str:
        try:
            spool.check()
        except OSError as error:
            return str(error)
        return OK

    return Check("spool", lambda: lane.run(check_spool), needed=True, within_s=2.0, close=lane.close)


def _make_imports_check(pool: AsyncConnectionPool, wait: UploadWait) -> Check:
    async def check_imports() -> str:
        wait.oldest_s = age_s = await oldest_wait_s(pool)
        if age_s <= LONG_WAIT_S:
            return OK
        return f"the oldest upload has waited {age_s:,.0f} s to be loaded: see the log of the ingest service"

    return Check("imports", check_imports, needed=False, within_s=DATABASE_WITHIN_S)


async def _check_importer(importer: Importer) -> str:
    return (
        OK
        if importer.is_alive
        else "the importer's thread has ended: see the log, then restart the ingest service"
    )


@router.get("/livez")
async def livez() -> Health:
    """Return 200 while the process runs."""
    return Health(status="ok")


class IngestHealth(Health):
    """Answer of `/readyz` of the ingest service."""

    oldest_queued_import_age_s: float | None = Field(
        description="Seconds that the oldest waiting upload has waited to be loaded, or to go on; 0 if none waits, "
        "null until the database has answered."
    )
    status_words: str = Field(
        default="",
        description="Words for the status in addition to active and inactive: `UPTILL_STATUS_WORDS`.",
    )


@router.get(
    "/readyz", responses={503: {"model": IngestHealth, "description": "The service cannot accept data."}}
)
async def readyz(context: Context, response: Response) -> IngestHealth:
    """Return the health of each component, as checked in the background. The status is 503 while data cannot be accepted.

    An upload that has waited long only degrades the service: it still accepts live polls and other uploads.
    """
    health = context.readiness.answer(response)
    return IngestHealth(
        **health.model_dump(),
        oldest_queued_import_age_s=context.upload_wait.oldest_s,
        status_words=context.settings.status_words,
    )
