"""`GET /metrics` for scrapers that have a key. Inside the network, each service also has a metrics port."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool

from shared.http.auth import RequireScope
from shared.keys import ApiKey
from shared.metrics.exposition import CONTENT_TYPE, exposition


def metrics_router(service: str) -> APIRouter:
    """Build the route. Its key needs the scope `metrics:read`."""
    router = APIRouter(tags=["operations"])

    @router.get(
        "/metrics",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {}}, "description": "Metrics in the Prometheus text format."}
        },
    )
    async def metrics(key: Annotated[ApiKey, Depends(RequireScope("metrics:read"))]) -> Response:
        """Return the metrics of all processes of this service."""
        del key
        return Response(await run_in_threadpool(exposition, service), media_type=CONTENT_TYPE)

    return router
