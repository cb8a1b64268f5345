"""`/livez`: the process runs. `/readyz`: it can accept reports; Redis away only degrades it.

It says no as soon as the process is asked to stop, a moment before it closes its connections.
"""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends, Response, status
from starlette.concurrency import run_in_threadpool

from services.api.context import Context
from services.api.schemas import Health
from shared.db.connect import borrowed_async
from shared.db.schema import require_schema
from shared.errors import UptillError
from shared.http.auth import public
from shared.queue import queue_depth

router = APIRouter(tags=["operations"], dependencies=[Depends(public)])


@router.get("/livez")
async def livez() -> Health:
    """Answer while the process runs."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health, "description": "Reports cannot be accepted."}})
async def readyz(context: Context, response: Response) -> Health:
    """Ask each component. 503 when reports cannot be accepted; Redis and S3 only delay them."""

    async def database() -> None:
        async with borrowed_async(context.pool) as conn:
            await require_schema(conn)

    components = {
        "database": await _state(database),
        "queue": await _state(lambda: run_in_threadpool(queue_depth, context.broker)),
        "storage": await _state(lambda: run_in_threadpool(context.storage.check)),
    }
    if context.stopping.requested:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return Health(status="stopping", components=components)
    if components["database"] != "ok":
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return Health(status="unavailable", components=components)
    all_well = all(state == "ok" for state in components.values())
    return Health(status="ok" if all_well else "degraded", components=components)


async def _state(check: Callable[[], Awaitable[object]]) -> str:
    try:
        await check()
    except UptillError as error:
        return str(error)
    return "ok"
