"""Reports as resources: create, list, get (and wait), download."""

import asyncio
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response, status
from fastapi.responses import RedirectResponse
from structlog.contextvars import bind_contextvars

from services.api.changes import LOOK_S
from services.api.context import ApiContext, Context
from services.api.schemas import (
    ReportBody,
    ReportCreate,
    ReportFile,
    ReportPage,
    ReportQuery,
    ReportSummary,
    files_of,
)
from shared import failpoints
from shared.audit import record_async
from shared.db.connect import autocommitting_async, borrowed_async
from shared.errors import (
    BadHeader,
    FileLost,
    FileNotFound,
    FileNotReady,
    IdempotencyKeyReused,
    Overloaded,
    ReportEnded,
    ReportExpired,
    TooManyOpenReports,
    TooManyPendingWebhooks,
    WebhookSecretMissing,
)
from shared.http.auth import Caller, refuse_ended
from shared.http.contract import answers, with_headers
from shared.http.cursors import cut_page, id_cursor, read_id_cursor
from shared.http.observe import current_origin
from shared.http.quotas import Quota
from shared.keys import ApiKey, StoreScope
from shared.reports.end import retry_report, withdraw
from shared.reports.model import Report, ReportCaller, ReportRequest, file_name
from shared.reports.read import get_report, list_reports
from shared.reports.trigger import Accepted, trigger_report
from shared.webhooks.address import check_url

router = APIRouter(tags=["reports"])
Reader = Annotated[ApiKey, Depends(Caller("reports:read"))]
Writer = Annotated[ApiKey, Depends(Caller("reports:write"))]

MAX_IDEMPOTENCY_KEY = 255
_NO_STORE = {"Cache-Control": "no-store"}


async def create(
    context: ApiContext, request: ReportRequest, caller: ReportCaller, response: Response
) -> Report:
    """Accept a report, and have the workers woken: the answer does not wait for Redis.

    A report that exists already does not answer if its files are lost: a new one is made. The headers of `response` say
    how many more reports the key may have open.
    """
    await context.pressure.check(caller.key_prefix)
    accepted, report = await _accept(context, request, caller)
    unusable = []
    while not accepted.wakes and await context.files.lost(report):
        unusable.append(report.id)
        accepted, report = await _accept(context, request, caller, unusable)
    if accepted.open_reports is not None:
        quota = Quota("open-reports", context.batch_terms.limits.open_reports, accepted.open_reports)
        response.headers.update(quota.headers())
    context.publisher.offer(accepted.wakes)
    return report


async def _accept(
    context: ApiContext, request: ReportRequest, caller: ReportCaller, unusable: Sequence[UUID] = ()
) -> tuple[Accepted, Report]:
    async with autocommitting_async(context.pools.accepting) as conn:
        accepted = await trigger_report(
            conn, request, caller, context.batch_terms, current_origin(), unusable=unusable
        )
        bind_contextvars(report_id=str(accepted.report_id))  # also for the line of the request
        failpoints.hit("trigger.after_commit")
        return accepted, await get_report(conn, accepted.report_id, caller.visible)


async def wait_for(
    context: ApiContext, request: Request, report_id: UUID, visible: StoreScope, wait_s: float
) -> Report:
    """Return the report once it has ended, or as it is after `wait_s` seconds or when this service closes.

    Raises `ReportNotFound`, and `AuthenticationError` once the caller's key has ended.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    with context.changes.waiter(report_id) as waiter:
        while True:
            waiter.changed.clear()
            report = await context.looks.report(report_id, visible)
            left_s = until - loop.time()
            if report.is_final or left_s <= 0:
                return report
            if await context.stopping.pause(min(LOOK_S, left_s), waiter.changed):
                return report
            await refuse_ended(request)


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
    idempotency_key: Annotated[
        str | None,
        Header(
            description="The same key and body within 24 hours: the same report, unless somebody else has canceled it."
        ),
    ] = None,
) -> ReportBody:
    """Accept a report: as_of, the stores and the data are fixed now; the work follows."""
    if idempotency_key is not None and not 1 <= len(idempotency_key) <= MAX_IDEMPOTENCY_KEY:
        raise BadHeader(
            f"an Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} characters", field="Idempotency-Key"
        )
    request = (body or ReportCreate()).request()
    if request.webhook_url is not None:
        check_url(
            request.webhook_url, allow_private=context.settings.webhook_allow_private, field="webhook_url"
        )
    report = await create(context, request, ReportCaller(key.prefix, idempotency_key, key.visible), response)
    await context.links.note(key, report)
    response.headers["Location"] = f"/v1/reports/{report.id}"
    response.headers["Retry-After"] = "1"
    return await show(context, report)


@router.get("/v1/reports")
async def read_reports(
    context: Context,
    key: Reader,
    response: Response,
    chosen: Annotated[ReportQuery, Query()],
) -> ReportPage:
    """List reports, newest first. Links to files are with each report itself."""
    before_id = read_id_cursor(chosen.cursor)
    async with borrowed_async(context.pools.reading) as conn:
        found = await list_reports(
            conn, chosen.choice(), key.visible, before_id=before_id, limit=chosen.limit + 1
        )
    page, last = cut_page(found, chosen.limit)
    response.headers.update(_NO_STORE)
    return ReportPage(
        reports=[ReportSummary.of(report) for report in page],
        next=None if last is None else id_cursor(last.id),
    )


@router.get("/v1/reports/{report_id}", responses=with_headers(status.HTTP_200_OK, "Retry-After"))
async def read_report(
    context: Context,
    key: Reader,
    request: Request,
    response: Response,
    report_id: UUID,
    wait: Annotated[
        float,
        Query(ge=0, allow_inf_nan=False, description="Seconds to wait for the end; capped by the server."),
    ] = 0,
) -> ReportBody:
    """Show a report with its progress and, once it succeeded, links to its files."""
    report = await wait_for(context, request, report_id, key.visible, min(wait, context.settings.max_wait_s))
    await context.links.note(key, report)
    response.headers.update(_NO_STORE)
    if not report.is_final:
        response.headers["Retry-After"] = "1"
    return await show(context, report)


@router.get(
    "/v1/reports/{report_id}/files/{name}",
    status_code=status.HTTP_302_FOUND,
    response_class=RedirectResponse,
    responses=answers(FileNotReady, FileLost, ReportExpired),
)
async def read_file(context: Context, key: Reader, report_id: UUID, name: str) -> RedirectResponse:
    """Redirect to a link to the file."""
    report = await context.looks.report(report_id, key.visible)
    file = _file(context, report, name)
    await context.files.refuse_lost(report, file.format)
    await context.links.note(key, report)
    return RedirectResponse(file.url, status.HTTP_302_FOUND, headers=_NO_STORE)


@router.delete("/v1/reports/{report_id}", responses=answers(ReportEnded))
async def cancel(context: Context, key: Writer, report_id: UUID) -> ReportBody:
    """Withdraw from a report that has not ended, and cancel it if no other key wants it.

    The answer's `state` says which: `canceled`, or as before while another key that asked the same still wants the
    report. A key that did not ask for the report changes nothing. An administrator's key cancels it for everybody.
    """
    bind_contextvars(report_id=str(report_id))
    async with borrowed_async(context.pools.accepting) as conn, conn.transaction():
        canceled = await withdraw(conn, report_id, key.visible, by=key.prefix, for_all=key.allows("admin"))
        action = "report.canceled" if canceled else "report.withdrawn"
        await record_async(conn, key.prefix, action, str(report_id))
        report = await get_report(conn, report_id)
    return ReportBody.with_links(report, context.signer, lost=())


@router.post(
    "/v1/reports/{report_id}/retry",
    status_code=status.HTTP_202_ACCEPTED,
    responses=answers(ReportEnded, TooManyOpenReports),
)
async def retry(context: Context, key: Writer, report_id: UUID) -> ReportBody:
    """Try a failed report again; batches that were done stay done."""
    bind_contextvars(report_id=str(report_id))
    async with borrowed_async(context.pools.accepting) as conn, conn.transaction():
        wakes = await retry_report(
            conn,
            report_id,
            key.visible,
            republish_s=context.settings.republish_s,
            by=key.prefix,
            limits=context.batch_terms.limits,
        )
        await record_async(conn, key.prefix, "report.retried", str(report_id))
        report = await get_report(conn, report_id)
    context.publisher.offer(wakes)
    return ReportBody.with_links(report, context.signer, lost=())


async def show(context: ApiContext, report: Report) -> ReportBody:
    """The report, with a link to each file that is in the bucket."""
    return ReportBody.with_links(report, context.signer, await context.files.lost(report))


def _file(context: ApiContext, report: Report, name: str) -> ReportFile:
    for file in files_of(report, context.signer):
        if file.name == name:
            return file
    if name in map(file_name, report.formats) and not report.is_final:
        raise FileNotReady(f"report {report.id} is {report.state}; ask again later")
    if report.state == "expired":
        raise ReportExpired(
            f"the files of report {report.id} were removed after their time; make a new report"
        )
    held = ", ".join(file_name(file.format) for file in report.files) or "none"
    raise FileNotFound(f"report {report.id} ({report.state}) has no file {name!r}; it has {held}")
