"""The page's views of revisions: make a report again, and what differs between two reports."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from services.api.context import Context
from services.api.use_cases import reports
from services.api.use_cases.diff import compare, read_differences, read_pair
from services.api.web.error_page import PAGE_TAG
from services.api.web.forms import SentForm
from services.api.web.render import render
from services.api.web.reports import ReportId, show_again
from services.api.web.require_session import PageReader, PageWriter
from shared.column_words import describe_notes
from shared.http.cursors import cut_page, read_text_cursor, text_cursor
from shared.reports.parameters import ReportCaller
from shared.reports.revise import RevisionRequest

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
_PAGE = 50


class ComparisonQuery(BaseModel):
    """The other report, and the position in the list of stores."""

    model_config = ConfigDict(extra="forbid")

    against: UUID
    cursor: str | None = None


@router.post("/reports/{report_id}/revisions")
async def make_again(
    context: Context, key: PageWriter, request: Request, report_id: ReportId, form: SentForm
) -> Response:
    """Make a report again with the newest data, as `POST /v1/reports/{report_id}/revisions` does."""
    del form
    caller = ReportCaller(key.prefix, None, key.visible)
    created = await reports.create_report(context, RevisionRequest(report_id), caller)
    return show_again(request, created.report.id)


@router.get("/reports/{report_id}/diff")
async def show_difference(
    context: Context,
    key: PageReader,
    request: Request,
    report_id: ReportId,
    chosen: Annotated[ComparisonQuery, Query()],
) -> Response:
    """Show the stores that differ, both values, and what changed the data between the two."""
    after_id = read_text_cursor(chosen.cursor)
    pair = await read_pair(context, report_id, chosen.against, key.visible)
    found = await read_differences(context, pair, compare(context, pair, after_id), _PAGE + 1)
    page, last = cut_page(found, _PAGE)
    return render(
        request,
        "diff.html",
        pair=pair,
        stores=page,
        notes=describe_notes(name for row in page for name in row.difference.values),
        next=None if last is None else text_cursor(last.difference.store_id),
    )
