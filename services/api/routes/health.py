"""`/livez`: the process runs. `/readyz`: it can accept reports; without Redis or the object store it is degraded.

Once the process is asked to stop, it is not ready; it closes its connections a moment later.
"""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, Response
from psycopg_pool import AsyncConnectionPool

from services.api.context import Context
from shared.errors import StorageUnavailable
from shared.http.auth import public
from shared.http.readiness import OK, Check, Health, database_check, queue_check
from shared.lane import Lane
from shared.storage import Storage

router = APIRouter(tags=["operations"], dependencies=[Depends(public)])
_STORAGE_LOOK_S = 10.0  # a check ends after this; the store is reported as not answering long before


def api_checks(pool: AsyncConnectionPool, redis_url: str, storage: Storage) -> Sequence[Check]:
    """Return the checks of the API. Creating and reading reports needs only Postgres."""
    lane = Lane(
        "the object store", StorageUnavailable, threads=1, waiting=1, within_s=_STORAGE_LOOK_S, breaks=False
    )

    async def look() -> str:
        await lane.run(storage.check)
        return OK

    return [
        database_check(pool),
        queue_check(redis_url),
        Check("storage", look, needed=False, close=lane.close),
    ]


@router.get("/livez")
async def livez() -> Health:
    """Return 200 while the process runs."""
    return Health(status="ok")


@router.get(
    "/readyz", responses={503: {"model": Health, "description": "The service cannot accept reports."}}
)
async def readyz(context: Context, response: Response) -> Health:
    """Return the health of each component, as checked in the background. The status is 503 while reports cannot be accepted."""
    return context.readiness.answer(response)
