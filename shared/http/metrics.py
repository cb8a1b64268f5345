"""`GET /metrics` of an HTTP service, for a scraper with a key; the inner network has a port of its own for it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool

from shared.http.auth import Caller
from shared.keys import ApiKey
from shared.metrics.exposition import CONTENT_TYPE, exposition


def metrics_router(service: str) -> APIRouter:
    """Make the route; the key needs the scope `metrics:read`."""
    router = APIRouter(tags=["operations"])

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."}},
    )
    async def metrics(key: Annotated[ApiKey, Depends(Caller("metrics:read"))]) -> Response:
        """Send what this process and its siblings have counted."""
        del key
        return Response(await run_in_threadpool(exposition, service), media_type=CONTENT_TYPE)

    return router
