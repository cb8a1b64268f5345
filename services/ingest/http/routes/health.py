"""`/livez`: the process runs. `/readyz`: it can take in data; false as soon as it is asked to stop."""

from fastapi import APIRouter, Depends, Response, status
from starlette.concurrency import run_in_threadpool

from services.ingest.http.context import Context
from services.ingest.http.schemas import Health
from shared.db.connect import borrowed_async
from shared.db.schema import require_schema
from shared.errors import UptillError
from shared.http.auth import public

router = APIRouter(tags=["operations"], dependencies=[Depends(public)])


@router.get("/livez")
async def livez() -> Health:
    """Answer while the process runs."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health}})
async def readyz(context: Context, response: Response) -> Health:
    """Ask each component. 503 unless all are well."""
    components = {
        "database": await _database(context),
        "spool": await run_in_threadpool(_spool, context),
        "importer": "ok" if context.importer.is_alive else "its thread has ended; see the log",
    }
    all_well = all(state == "ok" for state in components.values())
    if all_well and not context.stopping.requested:
        return Health(status="ok", components=components)
    response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return Health(status="stopping" if context.stopping.requested else "unavailable", components=components)


async def _database(context: Context) -> str:
    try:
        async with borrowed_async(context.pool) as conn:
            await require_schema(conn)
    except UptillError as error:
        return str(error)
    return "ok"


def _spool(context: Context) -> str:
    try:
        context.spool.check()
    except (UptillError, OSError) as error:
        return str(error)
    return "ok"
