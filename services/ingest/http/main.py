"""The ingest process: `python -m services.ingest.http`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from services.ingest.http.context import IngestContext
from services.ingest.http.group_commit import GroupCommit
from services.ingest.http.importer import Importer
from services.ingest.http.routes import health, imports, observations, stores
from services.ingest.http.spool import Spool
from services.ingest.limits import Limits
from shared.db.connect import make_async_pool
from shared.http.auth import KeyRing
from shared.http.rates import make_rates
from shared.http.service import make_service
from shared.http.stopping import Stopping, announce_stop
from shared.metrics.exposition import serve_metrics
from shared.settings import Settings, load_settings
from shared.telemetry import configure_logging
from shared.tracing import start_tracing, stop_tracing


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application. Raises `ConfigurationError` that names what is not set."""
    settings = (settings or load_settings()).require("database_url")
    configure_logging("ingest", settings.log_level)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database_url = settings.database_url.get_secret_value()
        pool = make_async_pool(
            database_url,
            application_name="uptill-ingest",
            max_size=settings.pool_size,
            statement_timeout_s=settings.statement_timeout_s,
        )
        spool = Spool.open(
            settings.spool_dir,
            reserve_bytes=settings.spool_reserve_bytes,
            quota_bytes=settings.spool_max_bytes,
        )
        await (
            pool.open()
        )  # does not wait: the service starts, and says so on /readyz, while the database is away
        importer = Importer(database_url, spool, Limits.of(settings))
        live = GroupCommit(database_url)
        app.state.keys = KeyRing(pool)
        app.state.rates = rates = make_rates(settings)
        stopping = Stopping()
        app.state.context = IngestContext(settings, pool, spool, importer, live, stopping)
        importer.start()
        live.start()
        serve_metrics(settings, "ingest")
        announce_stop(stopping, importer.stop)
        start_tracing("ingest", settings.otlp_endpoint)
        try:
            yield
        finally:
            await run_in_threadpool(importer.close)
            await run_in_threadpool(live.close)
            await rates.close()
            await pool.close()
            spool.close()
            stop_tracing()

    return make_service(
        "ingest",
        settings,
        title="Uptill ingest",
        summary="Takes in polls, opening hours and time zones.",
        lifespan=lifespan,
        routers=[module.router for module in (imports, observations, stores, health)],
        max_body_bytes=None,  # each route has its own
    )
