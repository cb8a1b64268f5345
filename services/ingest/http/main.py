"""The ingest process: `python -m services.ingest.http`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from services.ingest.http.context import IngestContext, UploadWait
from services.ingest.http.group_commit import GroupCommit
from services.ingest.http.hook_calls import HeldBodies
from services.ingest.http.hook_ring import HookRing
from services.ingest.http.ignored_calls import IgnoredCalls
from services.ingest.http.importer import Importer
from services.ingest.http.routes import (
    calendars,
    closures,
    health,
    hook_calls,
    hooks,
    imports,
    observations,
    reasons,
    special_hours,
    stores,
)
from services.ingest.http.routes.health import ingest_checks
from services.ingest.http.spool import Spool
from services.ingest.run import Limits
from shared.db.pools import make_pools
from shared.errors import DatabaseUnavailable
from shared.http.key_ring import KeyRing
from shared.http.rates import make_rates
from shared.http.readiness import Readiness
from shared.http.service import ServiceIdentity, make_service
from shared.http.session_callers import SessionCallers
from shared.http.startup import exits_plainly
from shared.http.stopping import Stopping, announce_stop
from shared.lane import Lane
from shared.metrics.exposition import serve_metrics
from shared.settings import Settings, load_settings
from shared.status_words import STATUSES, parse_status_words
from shared.telemetry import configure_logging
from shared.tracing import start_tracing, stop_tracing

_DRY_RUN_WITHIN_S = 600.0
_WRITTEN_WITHIN_S = 10.0  # for waiting live polls when the service stops; the rest gets no answer


@exits_plainly("ingest")
def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application. Raise `ConfigurationError` if a setting is missing."""
    settings = (settings or load_settings()).require("database_url")
    configure_logging("ingest", settings.log_level)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pools = make_pools(settings, application_name="uptill-ingest")
        spool = Spool.open(
            settings.spool_dir,
            reserve_bytes=settings.spool_reserve_bytes,
            quota_bytes=settings.spool_max_bytes,
        )
        async with pools.opened():
            database_url = settings.database_url.get_secret_value()
            importer = Importer(database_url, spool, Limits.from_settings(settings))
            live = GroupCommit(database_url)
            app.state.keys = KeyRing(pools.keys)
            app.state.session_callers = SessionCallers(pools.keys, settings)
            app.state.rates = rates = make_rates(settings)
            stopping = Stopping()
            redis_url = settings.redis_url.get_secret_value()
            upload_wait = UploadWait()
            readiness = Readiness(
                ingest_checks(pools.keys, redis_url, spool, importer, upload_wait), lambda: stopping.requested
            )
            app.state.context = IngestContext(
                settings=settings,
                pools=pools,
                spool=spool,
                importer=importer,
                live=live,
                hooks=HookRing(pools.keys),
                held_bodies=HeldBodies(),
                ignored_calls=IgnoredCalls(live),
                stopping=stopping,
                changes_lane=Lane(
                    "the database", DatabaseUnavailable, threads=4, waiting=64, within_s=30.0, breaks=False
                ),
                dry_runs_lane=Lane(
                    "the database",
                    DatabaseUnavailable,
                    threads=1,
                    waiting=8,
                    within_s=_DRY_RUN_WITHIN_S,
                    breaks=False,
                ),
                readiness=readiness,
                upload_wait=upload_wait,
                status_words={**parse_status_words(settings.status_words), **STATUSES},
            )
            importer.start()
            live.start()
            serve_metrics(settings, "ingest")
            announce_stop(stopping, importer.stop)
            start_tracing("ingest", settings.otlp_endpoint)
            try:
                async with readiness.watching(), app.state.context.ignored_calls.writing():
                    yield
            finally:
                await run_in_threadpool(importer.close)
                await run_in_threadpool(live.close, _WRITTEN_WITHIN_S)
                app.state.context.changes_lane.close()
                app.state.context.dry_runs_lane.close()
                await rates.close()
                spool.close()
                stop_tracing()

    app = make_service(
        ServiceIdentity("ingest", "Uptill ingest", "Loads polls, opening hours, time zones and closures."),
        settings,
        lifespan=lifespan,
        routers=[
            module.router
            for module in (
                *(hook_calls, observations, imports, stores, special_hours, closures, calendars),
                *(reasons, hooks, health),
            )
        ],
        bodies=None,  # each route has its own limit
    )
    hook_calls.shorten_way(app)
    return app
