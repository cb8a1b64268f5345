"""The API process: `uvicorn --factory services.api.main:create_app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.api.context import ApiContext
from services.api.links import LinkAudit
from services.api.routes import aliases, events, health, keys, reports, stores
from shared.db.connect import make_async_pool
from shared.http.auth import KeyRing
from shared.http.metrics import metrics_router
from shared.http.observe import Observe
from shared.http.problems import add_error_handlers
from shared.http.stopping import Stopping, announce_stop
from shared.metrics.exposition import serve_metrics
from shared.queue import make_broker
from shared.settings import Settings, load_settings
from shared.storage import make_storage
from shared.telemetry import configure_logging
from shared.tracing import start_tracing, stop_tracing


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application. Raises `ConfigurationError` that names what is not set."""
    settings = (settings or load_settings()).require("database_url", "redis_url", "s3_bucket")
    configure_logging("api", settings.log_level)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = make_async_pool(
            settings.database_url.get_secret_value(),
            application_name="uptill-api",
            max_size=settings.pool_size,
        )
        await pool.open()  # does not wait: the API starts, and says so on /readyz, while the database is away
        broker = make_broker(settings.redis_url.get_secret_value())
        stopping = Stopping()
        app.state.keys = KeyRing(pool)
        storage, links = make_storage(settings), LinkAudit(pool)
        app.state.context = ApiContext(settings, pool, broker, storage, stopping, links)
        serve_metrics(settings, "api")
        announce_stop(stopping)
        start_tracing("api", settings.otlp_endpoint)
        try:
            yield
        finally:
            broker.close()
            await pool.close()
            stop_tracing()

    app = FastAPI(
        title="Uptill",
        summary="How long each store was up and down within its opening hours.",
        version="0.1.0",
        lifespan=lifespan,
    )
    app.add_middleware(Observe)
    add_error_handlers(app)
    for module in (reports, events, stores, aliases, keys, health):
        app.include_router(module.router)
    app.include_router(metrics_router("api"))
    return app
