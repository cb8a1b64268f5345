"""The API process: `python -m services.api`."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from services.api.changes import ReportChanges
from services.api.context import ApiContext
from services.api.links import LinkAudit
from services.api.looks import ReportLooks
from services.api.routes import aliases, events, health, keys, reports, schedules, stores, webhooks
from services.api.signing import LinkSigner
from shared.db.connect import make_async_pool
from shared.errors import QueueUnavailable
from shared.http.auth import KeyRing
from shared.http.rates import make_rates
from shared.http.service import make_service
from shared.http.stopping import Stopping, announce_stop
from shared.limits import KeyLimits
from shared.metrics.exposition import serve_metrics
from shared.queue import check_queue, make_broker
from shared.reports.pressure import Pressure
from shared.reports.trigger import BatchTerms
from shared.settings import Settings, load_settings
from shared.storage import make_storage
from shared.telemetry import configure_logging
from shared.tracing import start_tracing, stop_tracing

_COLLECT_AFTER = 10_000  # new objects; most of a call are gone without the collector


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application. Raises `ConfigurationError` that names what is not set."""
    settings = (settings or load_settings()).require("database_url", "redis_url", "s3_bucket")
    configure_logging("api", settings.log_level)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with suppress(QueueUnavailable):  # an unsafe Redis is refused; one that is away comes back
            await run_in_threadpool(check_queue, settings.redis_url.get_secret_value())
        pool = make_async_pool(
            settings.database_url.get_secret_value(),
            application_name="uptill-api",
            max_size=settings.pool_size,
            statement_timeout_s=settings.statement_timeout_s,
        )
        await pool.open()  # does not wait: the API starts, and says so on /readyz, while the database is away
        broker = make_broker(settings.redis_url.get_secret_value())
        stopping = Stopping()
        app.state.keys = KeyRing(pool)
        app.state.rates = rates = make_rates(settings)
        storage, links = make_storage(settings), LinkAudit(pool)
        signer = LinkSigner(storage, settings.presign_s)
        pressure = Pressure(pool, settings.max_queue_age_s)
        changes = ReportChanges(settings.database_url.get_secret_value())
        looks = ReportLooks(pool)
        terms = BatchTerms(settings.batch_stores, settings.republish_s, limits=KeyLimits.of(settings))
        app.state.context = ApiContext(
            settings, pool, broker, storage, signer, stopping, links, pressure, changes, looks, terms
        )
        serve_metrics(settings, "api")
        announce_stop(stopping)
        start_tracing("api", settings.otlp_endpoint)
        gc.freeze()  # what is here by now stays, and need not be looked through again and again
        gc.set_threshold(_COLLECT_AFTER)
        try:
            async with changes.listening():
                yield
        finally:
            broker.close()
            await rates.close()
            await pool.close()
            stop_tracing()

    return make_service(
        "api",
        settings,
        title="Uptill",
        summary="How long each store was up and down within its opening hours.",
        lifespan=lifespan,
        routers=[
            module.router for module in (reports, schedules, events, stores, aliases, webhooks, keys, health)
        ],
        max_body_bytes=settings.max_body_bytes,
    )
