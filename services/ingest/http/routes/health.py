"""`/livez`: the process runs. `/readyz`: it can take in data; false as soon as it is asked to stop."""

from fastapi import APIRouter, Depends, Response, status
from starlette.concurrency import run_in_threadpool

from services.ingest.http.context import Context
from services.ingest.http.imports import oldest_wait_s
from services.ingest.http.schemas import Health
from shared.db.connect import borrowed_async
from shared.db.schema import require_schema
from shared.errors import UptillError
from shared.http.auth import public
from shared.uploads import LONG_WAIT_S

router = APIRouter(tags=["operations"], dependencies=[Depends(public)])


@router.get("/livez")
async def livez() -> Health:
    """Answer while the process runs."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health}})
async def readyz(context: Context, response: Response) -> Health:
    """Ask each component. 503 unless all are well; uploads that wait long are only said."""
    components = {
        "database": await _database(context),
        "spool": await run_in_threadpool(_spool, context),
        "importer": "ok" if context.importer.is_alive else "its thread has ended; see the log",
    }
    all_well = all(state == "ok" for state in components.values())
    if all_well and not context.stopping.requested:
        age_s = await _oldest_wait_s(context)
        components["imports"] = _shown_wait(age_s)
        return Health(
            status="ok" if components["imports"] == "ok" else "degraded",
            components=components,
            oldest_queued_import_age_s=age_s,
        )
    response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return Health(status="stopping" if context.stopping.requested else "unavailable", components=components)


async def _oldest_wait_s(context: Context) -> float | None:
    try:
        return await oldest_wait_s(context.pool)
    except UptillError:
        return None  # it has just answered; the next look tells


def _shown_wait(age_s: float | None) -> str:
    """An upload that waits long is no reason to send nothing here: live polls and other uploads are taken in."""
    if age_s is None or age_s <= LONG_WAIT_S:
        return "ok"
    return f"the oldest upload has waited {age_s:,.0f} s to be loaded; see the service's log"


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
