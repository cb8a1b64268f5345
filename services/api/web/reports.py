"""The page's views of reports: the list, a new one, and one report with its progress, files and first rows."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from services.api.context import Context
from services.api.download_links import how_to_rebuild
from services.api.schemas.parameters import KnownPolicy
from services.api.use_cases import reports
from services.api.web.error_page import PAGE_TAG
from services.api.web.forms import SentForm
from services.api.web.preview import PreviewChoice, read_preview
from services.api.web.render import render, root_of
from services.api.web.report_form import parse_report_form
from services.api.web.require_session import PageReader, PageWriter
from shared.column_words import name_windows
from shared.db.connect import borrowed_async
from shared.http.cursors import cut_page, id_cursor, read_id_cursor
from shared.reports.formats import CONTENT_TYPES
from shared.reports.model import ReportState
from shared.reports.parameters import ReportCaller
from shared.reports.read import ReportChoice, list_reports
from shared.uptime.policy import DEFAULT_POLICY, POLICIES
from shared.uptime.window import DEFAULT_WINDOW_NAMES, NAMED_WINDOWS

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
ReportId = Annotated[UUID, Path()]
_PAGE = 50
_STATES = ("queued", "running", "succeeded", "failed", "canceled", "expired")


class ReportsQuery(BaseModel):
    """Filters and position in the list."""

    model_config = ConfigDict(extra="forbid")

    state: ReportState | None = None
    policy: KnownPolicy | None = None
    cursor: str | None = None


class PreviewQuery(BaseModel):
    """Which rows of the report to show."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field(default="", max_length=1024)
    sort: str = Field(default="", max_length=200)
    down: bool = False


@router.get("/reports")
async def show_reports(
    context: Context, key: PageReader, request: Request, chosen: Annotated[ReportsQuery, Query()]
) -> Response:
    """List reports, newest first, with the form for a new one."""
    choice = ReportChoice(chosen.state, chosen.policy)
    async with borrowed_async(context.pools.reading) as conn:
        found = await list_reports(
            conn, choice, key.visible, before_id=read_id_cursor(chosen.cursor), limit=_PAGE + 1
        )
    page, last = cut_page(found, _PAGE)
    return render(
        request,
        "reports.html",
        reports=page,
        chosen=chosen,
        next=None if last is None else id_cursor(last.id),
        states=_STATES,
        policies=list(POLICIES),
        default_policy=DEFAULT_POLICY,
        windows=list(NAMED_WINDOWS),
        default_windows=DEFAULT_WINDOW_NAMES,
        formats=list(CONTENT_TYPES),
        is_live=chosen.cursor is None and any(not report.is_final for report in page),
    )


@router.post("/reports")
async def start_report(context: Context, key: PageWriter, request: Request, form: SentForm) -> Response:
    """Create a report, or find the one that exists for the same parameters and data."""
    caller = ReportCaller(key.prefix, None, key.visible)
    created = await reports.create_report(context, parse_report_form(form), caller)
    return show_again(request, created.report.id)


@router.get("/reports/{report_id}")
async def show_report(
    context: Context,
    key: PageReader,
    request: Request,
    report_id: ReportId,
    chosen: Annotated[PreviewQuery, Query()],
) -> Response:
    """Show a report: its progress, or its files and first rows."""
    report = await context.reads.read_report(report_id, key.visible)
    choice = PreviewChoice(chosen.q.strip(), chosen.sort, chosen.down)
    lost = await context.files.find_lost(report)
    return render(
        request,
        "report.html",
        report=report,
        windows=name_windows(report.windows),
        lost=[(file, how_to_rebuild(report, file)) for file in lost],
        preview=None if lost else await read_preview(context, report, choice),
        choice=choice,
    )


@router.get("/reports/{report_id}/files/{name}")
async def download_file(context: Context, key: PageReader, report_id: ReportId, name: str) -> Response:
    """Redirect to the download link of a file."""
    report = await context.reads.read_report(report_id, key.visible)
    file = reports.find_file(report, name)
    link = context.signer.get_link(file)
    await context.files.require_file(report, file)
    await context.links.record_links(key, report)
    return RedirectResponse(link.url, HTTPStatus.FOUND)


@router.post("/reports/{report_id}/cancel")
async def cancel_report(
    context: Context, key: PageWriter, request: Request, report_id: ReportId, form: SentForm
) -> Response:
    """Cancel a report, as `DELETE /v1/reports/{report_id}` does."""
    del form
    await reports.cancel_report(context, report_id, key)
    return show_again(request, report_id)


@router.post("/reports/{report_id}/retry")
async def retry_report(
    context: Context, key: PageWriter, request: Request, report_id: ReportId, form: SentForm
) -> Response:
    """Retry a failed report, as `POST /v1/reports/{report_id}/retry` does."""
    del form
    await reports.restart_report(context, report_id, key)
    return show_again(request, report_id)


def show_again(request: Request, report_id: UUID) -> Response:
    """Send the browser to the page of a report."""
    return RedirectResponse(f"{root_of(request)}reports/{report_id}", HTTPStatus.SEE_OTHER)
