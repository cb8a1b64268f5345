"""The API process: `python -m services.api`."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from services.api.backlog import BacklogCheck
from services.api.changes import ReportChanges
from services.api.context import ApiContext
from services.api.download_links import FileChecks, LinkAudit, LinkSigner
from services.api.ingest_calls import IngestRelay
from services.api.oidc.make_provider import make_provider
from services.api.report_reads import ReportReads
from services.api.routes import (
    alert_rules,
    aliases,
    channels,
    events,
    facts,
    facts_exports,
    health,
    incidents,
    insight_runs,
    insights,
    keys,
    live,
    outages,
    reconciliations,
    report_contents,
    reports,
    revisions,
    schedules,
    series,
    service_levels,
    stores,
    webhooks,
)
from services.api.routes.health import api_checks
from services.api.store_turns import StoreTurns
from services.api.turns import KeyTurns
from services.api.use_cases.live_feed import LiveFeed
from services.api.use_cases.remembered import Remembered
from services.api.use_cases.sealed_polls import SealedReads
from services.api.web import alert_rules as rule_pages
from services.api.web import (
    assets,
    closures,
    data_check,
    error_page,
    fleet,
    now,
    pictures,
    policies,
    sign_in,
    sign_in_provider,
)
from services.api.web import channels as channel_pages
from services.api.web import hooks as hook_pages
from services.api.web import imports as import_pages
from services.api.web import incidents as incident_pages
from services.api.web import insights as insight_pages
from services.api.web import outages as outage_pages
from services.api.web import reports as report_pages
from services.api.web import revisions as revision_pages
from services.api.web import stores as store_pages
from shared.db.pools import Pools, make_pools
from shared.errors import DatabaseUnavailable, Overloaded, QueueUnavailable, StorageUnavailable
from shared.http.body_limit import BodyLimits
from shared.http.key_ring import KeyRing
from shared.http.rates import make_rates
from shared.http.readiness import Readiness
from shared.http.service import ServiceIdentity, make_service
from shared.http.startup import exits_plainly
from shared.http.stopping import Stopping, announce_stop
from shared.lane import Lane
from shared.limits import KeyLimits
from shared.metrics.exposition import serve_metrics
from shared.publisher import Publisher
from shared.queue import check_queue
from shared.reports.acceptance import BatchTerms
from shared.session_names import session_name
from shared.settings import Settings, load_settings
from shared.storage import BRIEF, make_storage
from shared.telemetry import configure_logging
from shared.tracing import start_tracing, stop_tracing

if TYPE_CHECKING:
    from services.api.oidc.provider import Provider

_PUBLISHED_WITHIN_S = 2.0  # when stopping; the scheduler publishes what is left
_COLLECT_AFTER = 10_000  # new objects; reference counting already frees most objects of a call


@exits_plainly("api")
def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application. Raises `ConfigurationError` if a required setting is missing."""
    settings = (settings or load_settings()).require("database_url", "redis_url", "s3_bucket")
    configure_logging("api", settings.log_level)
    provider = make_provider(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        redis_url = settings.redis_url.get_secret_value()
        with suppress(QueueUnavailable):  # refuse an unsafe Redis; one that is unavailable may come back
            await run_in_threadpool(check_queue, redis_url)
        pools = make_pools(settings, application_name=session_name("uptill-api"))
        async with pools.opened():
            app.state.keys = KeyRing(pools.keys)
            app.state.rates = rates = make_rates(settings)
            context = app.state.context = _build_context(settings, pools, provider)
            context.publisher.start()
            serve_metrics(settings, "api")
            announce_stop(context.stopping)
            start_tracing("api", settings.otlp_endpoint)
            gc.freeze()  # objects created so far stay, so the collector need not scan them
            gc.set_threshold(_COLLECT_AFTER)
            try:
                async with context.changes.keep_listening(), context.readiness.watching():
                    yield
            finally:
                await run_in_threadpool(context.publisher.close, _PUBLISHED_WITHIN_S)
                for lane in (
                    context.storage_lane,
                    context.keys_lane,
                    context.outage_lane,
                    context.series_lane,
                ):
                    lane.close()
                context.store_turns.close()
                await context.ingest.close()
                await rates.close()
                stop_tracing()

    app = make_service(
        ServiceIdentity("api", "Uptill", "How long each store was up and down within its opening hours."),
        settings,
        lifespan=lifespan,
        routers=[
            module.router
            for module in (
                reports,
                report_contents,
                revisions,
                schedules,
                events,
                facts,
                service_levels,
                alert_rules,
                incidents,
                facts_exports,
                insights,
                insight_runs,
                outages,
                reconciliations,
                series,
                live,
                pictures,
                stores,
                aliases,
                webhooks,
                channels,
                keys,
                health,
                now,
                sign_in,
                sign_in_provider,
                store_pages,
                data_check,
                report_pages,
                fleet,
                insight_pages,
                rule_pages,
                channel_pages,
                incident_pages,
                outage_pages,
                hook_pages,
                import_pages,
                revision_pages,
                closures,
                policies,
                assets,
            )
        ],
        # The form of uploads has a few fields beside the files.
        bodies=BodyLimits(
            settings.max_body_bytes, {"/imports": settings.max_upload_bytes + settings.max_body_bytes}
        ),
        changed_by_get=["/trigger_report"],
    )
    app.state.error_page = error_page.show_error
    return app


def _build_context(settings: Settings, pools: Pools, provider: "Provider | None") -> ApiContext:
    redis_url, stopping = settings.redis_url.get_secret_value(), Stopping()
    storage = make_storage(settings, BRIEF)
    storage_lane = Lane("the object store", StorageUnavailable, threads=4, waiting=64, within_s=3.0)
    readiness = Readiness(api_checks(pools.keys, redis_url, storage), lambda: stopping.requested)
    return ApiContext(
        settings=settings,
        pools=pools,
        publisher=Publisher(redis_url),
        storage=storage,
        storage_lane=storage_lane,
        sealed=SealedReads(storage, storage_lane),
        files=FileChecks(storage, storage_lane),
        keys_lane=Lane(
            "the database", DatabaseUnavailable, threads=2, waiting=32, within_s=10.0, breaks=False
        ),
        # One computation at a time, so that the process has time for other calls.
        outage_lane=Lane(
            "the computation of outages", Overloaded, threads=1, waiting=16, within_s=10.0, breaks=False
        ),
        outage_turns=KeyTurns(
            waiting=4, calls="outages", instead='request a report with "files": ["report", "outages"]'
        ),
        # Each call has a connection of its own, so one call at a time bounds them.
        series_lane=Lane(
            "the computation of series", Overloaded, threads=1, waiting=16, within_s=30.0, breaks=False
        ),
        series_turns=KeyTurns(waiting=4, calls="series", instead="ask for several groups in one call"),
        store_turns=StoreTurns(),
        signer=LinkSigner(storage, settings.presign_s),
        stopping=stopping,
        links=LinkAudit(pools.accepting),
        pressure=BacklogCheck(pools.accepting, settings.max_queue_age_s),
        changes=ReportChanges(settings.database_url.get_secret_value()),
        reads=ReportReads(pools.accepting),
        batch_terms=BatchTerms(settings.batch_stores, settings.republish_s, limits=KeyLimits.of(settings)),
        readiness=readiness,
        live_feed=LiveFeed(pools.reading),
        # A minute, because polls arrive all the time; live state is exact, but for labels.
        series_kept=Remembered(rest_s=60),
        hours_kept=Remembered(rest_s=60),
        views_kept=Remembered(rest_s=15),
        outages_kept=Remembered(rest_s=60),
        ingest=IngestRelay(settings.ingest_url),
        provider=provider,
    )
