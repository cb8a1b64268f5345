"""The client: one connection pool, one API key, and the calls of both services."""

from types import TracebackType
from typing import Self

import httpx2

from uptill_client.calendars import CalendarCalls
from uptill_client.channels import ChannelCalls
from uptill_client.closures import ClosureCalls
from uptill_client.facts import FactsCalls
from uptill_client.facts_exports import FactsExportCalls
from uptill_client.hooks import HookCalls
from uptill_client.imports import ImportCalls
from uptill_client.incidents import IncidentCalls
from uptill_client.insights import InsightCalls
from uptill_client.live import NowCalls
from uptill_client.outages import OutageCalls
from uptill_client.pictures import PictureCalls
from uptill_client.reasons import ReasonCalls
from uptill_client.reconciliations import ReconciliationCalls
from uptill_client.reports import ReportCalls
from uptill_client.revisions import RevisionCalls
from uptill_client.schedules import ScheduleCalls
from uptill_client.series import SeriesCalls
from uptill_client.service_levels import ServiceLevelCalls
from uptill_client.stores import StoreCalls
from uptill_client.transport import TIMEOUT_S, ApiError, Transport
from uptill_client.webhooks import WebhookCalls


class UptillClient(
    ReportCalls,
    RevisionCalls,
    FactsCalls,
    FactsExportCalls,
    ScheduleCalls,
    ServiceLevelCalls,
    StoreCalls,
    PictureCalls,
    OutageCalls,
    SeriesCalls,
    ReconciliationCalls,
    NowCalls,
    IncidentCalls,
    InsightCalls,
    ClosureCalls,
    CalendarCalls,
    ReasonCalls,
    HookCalls,
    ImportCalls,
    WebhookCalls,
    ChannelCalls,
):
    """A client for both services: `with UptillClient(url, key) as uptill: uptill.create_report()`.

    Uploads, live polls, hooks, closures and changes of stores need `ingest_url`. After status 429 or 503, a call is repeated as
    `Retry-After` says, for up to `patience_s` seconds. Each call raises `ApiError` on failure.
    """

    def __init__(
        self, api_url: str, api_key: str, *, ingest_url: str | None = None, patience_s: float = 30
    ) -> None:
        self._http = httpx2.Client(timeout=TIMEOUT_S)
        self._api = Transport(self._http, api_url, api_key, patience_s)
        self._ingest_service = ingest_url and Transport(self._http, ingest_url, api_key, patience_s)

    @property
    def _ingest(self) -> Transport:
        if not self._ingest_service:
            raise ApiError("this call needs the ingest service: create the client with ingest_url")
        return self._ingest_service

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()
