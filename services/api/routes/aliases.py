"""`/trigger_report` and `/get_report`: the two-call contract, thin over the report resource."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response, status
from fastapi.responses import RedirectResponse

from services.api.context import Context
from services.api.files import how_to_rebuild
from services.api.routes.reports import Reader, Writer, create, wait_for
from services.api.schemas import LegacyStatus, Triggered, files_of
from shared.errors import FileLost, ReportNotFound, TooManyOpenReports
from shared.http.contract import answers, with_headers
from shared.keys import ApiKey
from shared.reports.model import ReportCaller, ReportRequest
from shared.uptime.policy import DEFAULT_POLICY

router = APIRouter(tags=["aliases"])
_SHOWN_CHARACTERS = 100
_ACCEPTED = {
    **answers(TooManyOpenReports),
    **with_headers(status.HTTP_200_OK, "Quota", "Quota-Policy"),
}


@router.post("/trigger_report", responses=_ACCEPTED)
async def trigger(context: Context, key: Writer, response: Response) -> Triggered:
    """Accept a report with every default."""
    return await _trigger(context, key, response)


@router.get("/trigger_report", deprecated=True, responses=_ACCEPTED)
async def trigger_by_get(context: Context, key: Writer, response: Response) -> Triggered:
    """Accept a report by GET; kept for old scripts, since a GET should change nothing."""
    return await _trigger(context, key, response)


@router.get(
    "/get_report",
    response_model=LegacyStatus,
    response_model_exclude_none=True,
    responses={
        302: {"description": "The finished CSV, where the caller accepts text/csv."},
        **answers(ReportNotFound, FileLost),
    },
)
async def get(
    context: Context,
    key: Reader,
    request: Request,
    response: Response,
    report_id: Annotated[str, Query(json_schema_extra={"format": "uuid"})],
    accept: Annotated[str, Header()] = "*/*",
) -> LegacyStatus | RedirectResponse:
    """Say `Running`, `Complete` with a link, or `Error`; with `Accept: text/csv` redirect to the finished CSV."""
    report = await wait_for(context, request, _report_id(report_id), key.visible, 0)
    await context.links.note(key, report)
    response.headers["Cache-Control"] = "no-store"
    if not report.is_final:
        return LegacyStatus(status="Running")
    for csv in files_of(report, context.signer)[:1]:
        if "text/csv" in accept:
            await context.files.refuse_lost(report, csv.format)
            return RedirectResponse(csv.url, status.HTTP_302_FOUND, headers={"Cache-Control": "no-store"})
        if csv.format in await context.files.lost(report):
            raise FileLost(how_to_rebuild(report, csv.format))
        return LegacyStatus(status="Complete", download_url=csv.url)
    return LegacyStatus(
        status="Error", detail=(report.error or {}).get("detail", f"the report is {report.state}")
    )


def _report_id(given: str) -> UUID:
    """As in a path: what is no id is the id of no report."""
    try:
        return UUID(given)
    except ValueError:
        raise ReportNotFound(f"there is no report {given[:_SHOWN_CHARACTERS]!r}") from None


async def _trigger(context: Context, key: ApiKey, response: Response) -> Triggered:
    asked = ReportRequest(policy=DEFAULT_POLICY)
    report = await create(context, asked, ReportCaller(key.prefix, visible=key.visible), response)
    return Triggered(report_id=report.id)
