"""`/livez`: the process runs. `/readyz`: it can accept data, until it is asked to stop."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, Response
from psycopg_pool import AsyncConnectionPool

from services.ingest.http.context import Context
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
    pool: AsyncConnectionPool, redis_url: str, spool: Spool, importer: Importer
) -> Sequence[Check]:
    """Return the checks of `/readyz`. Redis, if configured, only counts calls."""
    checks = [
        database_check(pool),
        _make_spool_check(spool),
        Check("importer", lambda: _check_importer(importer), needed=True),
        _make_imports_check(pool),
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


def _make_imports_check(pool: AsyncConnectionPool) -> Check:
    async def check_imports() -> str:
        age_s = await oldest_wait_s(pool)
        if age_s is None or age_s <= LONG_WAIT_S:
            return OK
        return f"the oldest upload has waited {age_s:,.0f} s to be loaded; see the log of the service"

    return Check("imports", check_imports, needed=False, within_s=DATABASE_WITHIN_S)


async def _check_importer(importer: Importer) -> str:
    return OK if importer.is_alive else "its thread has ended; see the log of the service"


@router.get("/livez")
async def livez() -> Health:
    """Return 200 while the process runs."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health, "description": "The service cannot accept data."}})
async def readyz(context: Context, response: Response) -> Health:
    """Report the last check of each component; checks run in the background. 503 if the service cannot accept data.

    An upload that waits long only degrades the service, which still accepts live polls and other uploads.
    """
    return context.readiness.answer(response)
