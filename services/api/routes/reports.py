"""Reports as resources: create, list, show (and wait), download, cancel, retry."""

import asyncio
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response, status
from pydantic import AfterValidator

from services.api.context import ApiContext, Context
from services.api.schemas.report_create import ReportCreate
from services.api.schemas.report_query import ReportQuery
from services.api.schemas.report_summary import ReportPage, ReportSummary
from services.api.schemas.reports import ReportBody
from services.api.use_cases import reports
from shared.db.connect import borrowed_async
from shared.errors import (
    BadHeader,
    IdempotencyKeyReused,
    Overloaded,
    ReportEnded,
    TooManyOpenReports,
    TooManyPendingWebhooks,
    WebhookSecretMissing,
)
from shared.http.auth import RequireScope
from shared.http.contract import answers, with_headers
from shared.http.cursors import cut_page, id_cursor, read_id_cursor
from shared.http.demands import refuse_ended
from shared.http.idempotency import decode_key
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.reports.read import list_reports
from shared.reports.revise import RevisionRequest
from shared.webhooks.address import check_url

router = APIRouter(route_class=UniqueNamesRoute, tags=["reports"])


Reader = Annotated[ApiKey, Depends(RequireScope("reports:read"))]


Writer = Annotated[ApiKey, Depends(RequireScope("reports:write"))]


ReportId = Annotated[UUID, Path(description="The report's id.")]


IdempotencyKey = Annotated[
    str | None,
    Header(
        description=(
            "A key that makes retries safe. The same key and body within 24 hours return the same report,"
            " unless another key canceled it."
        )
    ),
    AfterValidator(lambda key: key and decode_key(key)),
]


NO_STORE = {"Cache-Control": "no-store"}


@router.post(
    "/v1/reports",
    status_code=status.HTTP_202_ACCEPTED,
    responses={
        **answers(
            BadHeader,
            IdempotencyKeyReused,
            Overloaded,
            TooManyOpenReports,
            TooManyPendingWebhooks,
            WebhookSecretMissing,
        ),
        **with_headers(status.HTTP_202_ACCEPTED, "Location", "Retry-After", "Quota", "Quota-Policy"),
    },
)
async def create_report(
    context: Context,
    key: Writer,
    response: Response,
    body: ReportCreate | None = None,
    idempotency_key: IdempotencyKey = None,
) -> ReportBody:
    """Create a report.

    `as_of`, the stores and the data are fixed by this call; workers compute the report afterwards. If a report with the
    same parameters and data exists, it is returned instead, unless `force` is set.
    """
    return await accept((body or ReportCreate()).to_request(), context, key, response, idempotency_key)


async def accept(
    request: ReportRequest | RevisionRequest,
    context: ApiContext,
    key: ApiKey,
    response: Response,
    idempotency_key: str | None,
) -> ReportBody:
    """Accept a report or a revision, and set the headers of the answer."""
    if request.webhook_url is not None:
        check_url(
            request.webhook_url, allow_private=context.settings.webhook_allow_private, field="webhook_url"
        )
    caller = ReportCaller(key.prefix, idempotency_key, key.visible)
    created = await reports.create_report(context, request, caller)
    await context.links.record_links(key, created.report)
    response.headers.update({} if created.quota is None else created.quota.headers())
    response.headers["Location"] = f"/v1/reports/{created.report.id}"
    response.headers["Retry-After"] = "1"
    # The files of an existing report were checked on the way.
    return ReportBody.with_links(created.report, context.signer, lost=())


@router.get("/v1/reports")
async def read_reports(
    context: Context,
    key: Reader,
    response: Response,
    chosen: Annotated[ReportQuery, Query()],
) -> ReportPage:
    """List reports, newest first. Show a single report to get links to its files."""
    before_id = read_id_cursor(chosen.cursor)
    async with borrowed_async(context.pools.reading) as conn:
        found = await list_reports(
            conn, chosen.filters(), key.visible, before_id=before_id, limit=chosen.limit + 1
        )
    page, last = cut_page(found, chosen.limit)
    response.headers.update(NO_STORE)
    return ReportPage(
        reports=[ReportSummary.of_report(report) for report in page],
        next=None if last is None else id_cursor(last.id),
    )


@router.get("/v1/reports/{report_id}", responses=with_headers(status.HTTP_200_OK, "Retry-After"))
async def read_report(
    context: Context,
    key: Reader,
    request: Request,
    response: Response,
    report_id: ReportId,
    wait: Annotated[
        float,
        Query(
            ge=0,
            allow_inf_nan=False,
            description="How many seconds to wait for the report to end, up to the server's `UPTILL_MAX_WAIT_S`.",
        ),
    ] = 0,
) -> ReportBody:
    """Show a report: its progress, and links to its files once it has succeeded."""
    wait_s = min(wait, context.settings.max_wait_s)
    report, has_just_ended = await reports.wait_for_report(
        context, report_id, key.visible, wait_s, partial(refuse_ended, request)
    )
    response.headers.update(NO_STORE)
    if not report.is_final:
        response.headers["Retry-After"] = "1"
    if has_just_ended:
        await context.links.record_links(key, report)
        return ReportBody.with_links(report, context.signer, lost=())
    # The bucket and the database answer at the same time.
    lost, _ = await asyncio.gather(context.files.find_lost(report), context.links.record_links(key, report))
    return ReportBody.with_links(report, context.signer, lost)


@router.delete("/v1/reports/{report_id}", responses=answers(ReportEnded))
async def cancel_report(context: Context, key: Writer, report_id: ReportId) -> ReportBody:
    """Cancel a report that has not ended, or withdraw from it if other keys requested it too.

    The report is canceled once every key that requested it has withdrawn; until then its `state` does not change. A key
    that did not request it changes nothing. A key with the scope `admin` cancels it for all keys.
    """
    report = await reports.cancel_report(context, report_id, key)
    return ReportBody.with_links(report, context.signer, lost=())


@router.post(
    "/v1/reports/{report_id}/retry",
    status_code=status.HTTP_202_ACCEPTED,
    responses=answers(ReportEnded, TooManyOpenReports),
)
async def retry_report(context: Context, key: Writer, report_id: ReportId) -> ReportBody:
    """Retry a failed report. Finished batches are kept."""
    report = await reports.restart_report(context, report_id, key)
    return ReportBody.with_links(report, context.signer, lost=())
