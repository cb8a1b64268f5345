"""Revisions of a report, and what differs between two reports."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response, status
from fastapi.responses import StreamingResponse

from services.api.context import Context
from services.api.routes.reports import IdempotencyKey, Reader, ReportId, Writer, accept
from services.api.schemas.diff import DiffQuery, ReportDiffBody
from services.api.schemas.diff_csv import render_diff_csv
from services.api.schemas.report_create import ReportRevise
from services.api.schemas.reports import ReportBody
from services.api.use_cases.diff import compare, each_difference, read_differences, read_pair
from shared.errors import (
    BadHeader,
    DataForgotten,
    FileLost,
    FileNotFound,
    FileNotReady,
    IdempotencyKeyReused,
    Overloaded,
    ReportExpired,
    ReportNotRevisable,
    ReportsNotComparable,
    TooManyOpenReports,
    TooManyPendingWebhooks,
    WebhookSecretMissing,
)
from shared.http.contract import answers, with_headers
from shared.http.cursors import cut_page, read_text_cursor, text_cursor
from shared.http.unique_names import UniqueNamesRoute
from shared.reports.revise import RevisionRequest

router = APIRouter(route_class=UniqueNamesRoute, tags=["reports"])
_CSV = "text/csv"


@router.post(
    "/v1/reports/{report_id}/revisions",
    status_code=status.HTTP_202_ACCEPTED,
    responses={
        **answers(
            BadHeader,
            DataForgotten,
            IdempotencyKeyReused,
            Overloaded,
            ReportNotRevisable,
            TooManyOpenReports,
            TooManyPendingWebhooks,
            WebhookSecretMissing,
        ),
        **with_headers(status.HTTP_202_ACCEPTED, "Location", "Retry-After", "Quota", "Quota-Policy"),
    },
)
async def create_revision(
    context: Context,
    key: Writer,
    response: Response,
    report_id: ReportId,
    body: ReportRevise | None = None,
    idempotency_key: IdempotencyKey = None,
) -> ReportBody:
    """Make a report again as the next revision: with the same parameters and `as_of`, and the newest data.

    With `cut: original`, it is made with the data that the report was made with: its CSV then has the same bytes. If the
    chain already has a revision about the same data, that one is returned, unless `force` is set.
    """
    asked = body or ReportRevise()
    request = RevisionRequest(report_id, asked.cut, asked.force, asked.webhook_url)
    return await accept(request, context, key, response, idempotency_key)


@router.get(
    "/v1/reports/{report_id}/diff",
    response_model=ReportDiffBody,
    responses={
        200: {"content": {_CSV: {"schema": {"type": "string"}}}},
        **answers(FileLost, FileNotFound, FileNotReady, ReportExpired, ReportsNotComparable),
    },
)
async def read_diff(
    context: Context,
    key: Reader,
    report_id: ReportId,
    chosen: Annotated[DiffQuery, Query()],
    accept_header: Annotated[
        str, Header(alias="Accept", description="`text/csv` for CSV; see `format`.", include_in_schema=False)
    ] = "",
) -> Response | ReportDiffBody:
    """Compare a report with another one: the stores that differ, both values, and the changes that are the causes.

    Both must have the same `as_of`, policy, windows and `detail`. As CSV, each value that differs is a row.
    """
    after_id = read_text_cursor(chosen.cursor)
    pair = await read_pair(context, report_id, chosen.against, key.visible)
    if chosen.format == "csv" or (chosen.format is None and accept_header.startswith(_CSV)):
        return StreamingResponse(
            render_diff_csv(each_difference(context, pair)),
            media_type=f"{_CSV}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="diff-{report_id}.csv"'},
        )
    found = await read_differences(context, pair, compare(context, pair, after_id), chosen.limit + 1)
    page, last = cut_page(found, chosen.limit)
    return ReportDiffBody.of_page(pair, page, None if last is None else text_cursor(last.difference.store_id))
