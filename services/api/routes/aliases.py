"""`/trigger_report` and `/get_report`: two simple calls on top of the report resource."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse

from services.api.context import Context
from services.api.download_links import how_to_rebuild
from services.api.routes.reports import IdempotencyKey, Reader, Writer
from services.api.schemas.reports import LegacyStatus, Triggered
from services.api.use_cases.reports import create_report, wait_for_report
from shared.errors import (
    BadHeader,
    FileLost,
    IdempotencyKeyReused,
    Overloaded,
    ReportNotFound,
    TooManyOpenReports,
)
from shared.http.contract import answers, with_headers
from shared.http.demands import refuse_ended
from shared.http.unique_names import UniqueNamesRoute
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.texts import quoted

router = APIRouter(route_class=UniqueNamesRoute, tags=["aliases"])
_SHOWN_CHARACTERS = 100
_NO_PARAMETERS, _SPACE = b"{}", b" \t\r\n"
# RFC 9745: deprecated since 2026-11-28; POST to the same path replaces it.
_DEPRECATED = {"Deprecation": "@1795824000", "Link": '</docs>; rel="deprecation"; type="text/html"'}
_ACCEPTED = {
    **answers(BadHeader, IdempotencyKeyReused, Overloaded, TooManyOpenReports),
    **with_headers(status.HTTP_200_OK, "Quota", "Quota-Policy"),
}


async def _refuse_parameters(request: Request) -> None:
    """Raise RequestValidationError for a body that is neither empty nor `{}`."""
    given = b""
    async for block in request.stream():
        given += bytes(block.translate(None, _SPACE))
        if not _NO_PARAMETERS.startswith(given):
            break
    if given not in {b"", _NO_PARAMETERS}:
        message = "this call takes no parameters: send no body, or send the parameters to POST /v1/reports"
        raise RequestValidationError([{"loc": ("body",), "msg": message}])


async def _create_default(
    context: Context,
    key: Writer,
    request: Request,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Triggered:
    await _refuse_parameters(request)
    caller = ReportCaller(key.prefix, idempotency_key, key.visible)
    created = await create_report(context, ReportRequest(), caller)
    response.headers.update({} if created.quota is None else created.quota.headers())
    return Triggered(report_id=created.report.id)


Created = Annotated[Triggered, Depends(_create_default)]


@router.post("/trigger_report", responses=_ACCEPTED)
async def trigger_report(created: Created) -> Triggered:
    """Create a report with default parameters. For other parameters, use `POST /v1/reports`."""
    return created


@router.get("/trigger_report", deprecated=True, responses=_ACCEPTED)
async def trigger_report_by_get(created: Created, response: Response) -> Triggered:
    """Create a report by GET. Use POST instead: this call only exists for old scripts."""
    response.headers.update(_DEPRECATED)
    return created


@router.get(
    "/get_report",
    response_model=LegacyStatus,
    response_model_exclude_none=True,
    responses={
        302: {"description": "A redirect to the finished CSV, if `Accept` is `text/csv`."},
        **answers(ReportNotFound, FileLost),
    },
)
async def get_report(
    context: Context,
    key: Reader,
    request: Request,
    response: Response,
    report_id: Annotated[
        str, Query(json_schema_extra={"format": "uuid"}, description="The id from `/trigger_report`.")
    ],
    accept: Annotated[str, Header(description="`text/csv` redirects to the finished CSV.")] = "*/*",
) -> LegacyStatus | RedirectResponse:
    """Show whether a report is `Running`, `Complete` (with a link) or `Error`.

    With `Accept: text/csv`, a finished report redirects to its CSV.
    """
    report, _ = await wait_for_report(
        context, _parse_report_id(report_id), key.visible, 0, partial(refuse_ended, request)
    )
    await context.links.record_links(key, report)
    response.headers["Cache-Control"] = "no-store"
    if not report.is_final:
        return LegacyStatus(status="Running")
    for csv in report.files[:1] if report.state == "succeeded" else ():
        url = context.signer.get_link(csv).url
        if "text/csv" in accept:
            await context.files.require_file(report, csv)
            return RedirectResponse(url, status.HTTP_302_FOUND, headers={"Cache-Control": "no-store"})
        if csv in await context.files.find_lost(report):
            raise FileLost(how_to_rebuild(report, csv))
        return LegacyStatus(status="Complete", download_url=url)
    return LegacyStatus(
        status="Error",
        detail=(report.error or {}).get(
            "detail", f"report {report.id} is {report.state}, so it has no file: create a new report"
        ),
    )


def _parse_report_id(given: str) -> UUID:
    """Parse an id. As in a path, a malformed id names no report."""
    try:
        return UUID(given)
    except ValueError:
        raise ReportNotFound(
            f"report {quoted(given[:_SHOWN_CHARACTERS])} does not exist: pass the report_id from /trigger_report"
        ) from None
