"""Build an HTTP service: middleware, error answers and operations routes. Each service adds its own routes."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter, Depends, FastAPI
from fastapi.telemetry import TelemetryConfig
from pydantic import BaseModel, Field
from starlette.middleware.cors import CORSMiddleware

from shared.errors import ConfigurationError
from shared.explain import explain
from shared.http.auth import public
from shared.http.body_limit import BodyLimit, BodyLimits
from shared.http.contract import describe
from shared.http.docs import add_docs
from shared.http.edge_limits import EdgeLimits
from shared.http.encodings import DecodedBody
from shared.http.error_handlers import add_error_handlers
from shared.http.head import HeadAsGet
from shared.http.headers import REQUEST_ID, SecurityHeaders
from shared.http.hosts import AllowedHosts, allowed_hosts
from shared.http.key_before_body import KeyBeforeBody
from shared.http.metrics import metrics_router
from shared.http.observe import Observe
from shared.http.open_calls import OpenCalls
from shared.http.path_text import Utf8Paths
from shared.http.query_text import QueriesWithoutNul
from shared.http.startup import PlainStartup
from shared.settings import Settings

_VERSION = version("uptill")
_MAX_PREFLIGHT_AGE_S = 600
# shared/http/observe.py and shared/tracing.py do this; FASTAPI_OTEL_AUTO_CONFIGURE must not add exporters (decision 22).
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class VersionBody(BaseModel):
    """Answer of `/version`."""

    service: str = Field(examples=["api"])
    version: str


@dataclass(frozen=True)
class ServiceIdentity:
    """How a service presents itself: its name in metrics and `/version`, and the head of its OpenAPI document."""

    name: Literal["api", "ingest"]
    title: str
    summary: str


def make_service(
    identity: ServiceIdentity,
    settings: Settings,
    *,
    lifespan: Lifespan,
    routers: Sequence[APIRouter],
    bodies: BodyLimits | None,
    changed_by_get: Collection[str] = (),
) -> FastAPI:
    """Build the application.

    `bodies` is None where every route has a limit of its own. `changed_by_get` are the paths where GET
    changes something, so that HEAD is refused there.
    """
    edge = EdgeLimits.of(settings)

    @asynccontextmanager
    async def lifespan_with_limits(app: FastAPI) -> AsyncIterator[dict[str, EdgeLimits]]:
        try:
            async with lifespan(app):
                yield {"edge": edge}  # for every connection: shared/http/connection.py
        except ConfigurationError as error:
            app.state.refusal = explain(error)
            raise

    app = FastAPI(
        title=identity.title,
        summary=identity.summary,
        version=_VERSION,
        lifespan=lifespan_with_limits,
        docs_url=None,
        openapi_url=None,  # shared/http/docs.py has it
        redoc_url=None,
        redirect_slashes=False,  # a redirect could change the scheme behind a proxy, and a client would resend its key
        telemetry=_NO_TELEMETRY,
    )
    app.state.open_calls = OpenCalls(settings.open_calls_per_key)
    # The middleware added last sees a request first.
    app.add_middleware(KeyBeforeBody)
    if bodies is not None:
        app.add_middleware(BodyLimit, limits=bodies)
    app.add_middleware(DecodedBody)
    app.add_middleware(HeadAsGet, except_paths=changed_by_get)
    app.add_middleware(Utf8Paths)
    app.add_middleware(QueriesWithoutNul)
    app.add_middleware(AllowedHosts, names=allowed_hosts(settings))
    if origins := [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", REQUEST_ID],
            expose_headers=["Location", "Retry-After", "RateLimit", "RateLimit-Policy", REQUEST_ID],
            max_age=_MAX_PREFLIGHT_AGE_S,
        )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Observe)
    app.add_middleware(PlainStartup)
    add_error_handlers(app)
    for router in (*routers, metrics_router(identity.name), _make_operations(identity.name)):
        app.include_router(router)
    add_docs(app)
    describe(app)
    return app


def _make_operations(name: str) -> APIRouter:
    router = APIRouter(tags=["operations"], dependencies=[Depends(public)])

    @router.get("/version")
    async def read_version() -> VersionBody:
        """Return the service's name and version."""
        return VersionBody(service=name, version=_VERSION)

    return router
