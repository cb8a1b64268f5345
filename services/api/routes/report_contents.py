"""What is in a report: its files, the stores that failed, and the explanation of a store's row."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response, status
from fastapi.responses import RedirectResponse

from services.api.context import Context, OneStoreTurn
from services.api.encoded_answer import EncodedAnswer
from services.api.routes.reports import NO_STORE, Reader, ReportId
from services.api.schemas.explanation import ExplanationBody, ExplanationQuery
from services.api.schemas.failed_stores import FailedStoreBody, FailedStorePage, FailedStoreQuery
from services.api.use_cases import reports
from services.api.use_cases.explained_store import ExplanationInput
from services.api.use_cases.explanation import read_explanation
from shared.db.connect import borrowed_async
from shared.errors import (
    DataForgotten,
    FileLost,
    FileNotReady,
    NotExplainable,
    Overloaded,
    ReportExpired,
    StoreFailed,
    StoreNotInReport,
)
from shared.http.contract import answers
from shared.http.cursors import cut_page, read_text_cursor, text_cursor
from shared.http.unique_names import UniqueNamesRoute
from shared.reports.read import list_failed_stores

router = APIRouter(route_class=UniqueNamesRoute, tags=["reports"])


@router.get(
    "/v1/reports/{report_id}/files/{name}",
    status_code=status.HTTP_302_FOUND,
    response_class=RedirectResponse,
    responses=answers(FileNotReady, FileLost, ReportExpired),
)
async def read_file(
    context: Context,
    key: Reader,
    report_id: ReportId,
    name: Annotated[str, Path(description="The file's name, such as `report.csv`.")],
) -> RedirectResponse:
    """Redirect to the download link of a file."""
    report = await context.reads.read_report(report_id, key.visible)
    file = reports.find_file(report, name)
    link = context.signer.get_link(file)
    await context.files.require_file(report, file)
    await context.links.record_links(key, report)
    return RedirectResponse(link.url, status.HTTP_302_FOUND, headers=NO_STORE)


@router.get("/v1/reports/{report_id}/failed-stores")
async def read_failed_stores(
    context: Context, key: Reader, report_id: ReportId, chosen: Annotated[FailedStoreQuery, Query()]
) -> FailedStorePage:
    """List the stores that could not be computed and have no row in the report."""
    after_id = read_text_cursor(chosen.cursor)
    await context.reads.read_report(report_id, key.visible)
    async with borrowed_async(context.pools.reading) as conn:
        found = await list_failed_stores(conn, report_id, after_id=after_id, limit=chosen.limit + 1)
    page, last = cut_page(found, chosen.limit)
    return FailedStorePage(
        failed_stores=[FailedStoreBody(**vars(store)) for store in page],
        next=None if last is None else text_cursor(last.store_id),
    )


@router.get(
    "/v1/reports/{report_id}/stores/{store_id:path}",
    response_model=ExplanationBody,
    responses=answers(
        NotExplainable, StoreNotInReport, StoreFailed, ReportExpired, DataForgotten, Overloaded
    ),
)
async def explain_store(
    context: Context,
    key: Reader,
    turn: OneStoreTurn,
    report_id: ReportId,
    store_id: Annotated[str, Path(description="The store's id.")],
    chosen: Annotated[ExplanationQuery, Query()],
) -> Response:
    """Explain one store's row of a report: every segment of each window, the rule and the data behind it.

    The explanation reads the data that the report was made from, even if it has changed since.
    """
    report = await context.reads.read_report(report_id, key.visible)
    async with borrowed_async(context.pools.reading) as conn:
        given = await read_explanation(conn, context.sealed, report, store_id, key.visible, chosen.window)
    limited = key.visible.labels is not None
    return await turn.run(given.weight, lambda: _build_explanation(given, fold=chosen.fold, limited=limited))


def _build_explanation(given: ExplanationInput, *, fold: bool, limited: bool) -> EncodedAnswer:
    return EncodedAnswer(ExplanationBody.of_explanation(given, given.explain(fold=fold), limited=limited))
