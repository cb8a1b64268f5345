"""The page's views of imports: the list with the form, one import with its rejected rows, and what an upload would do."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.requests import ClientDisconnect

from services.api.context import ApiContext, Context
from services.api.web.error_page import PAGE_TAG
from services.api.web.forms import SentForm
from services.api.web.import_quality import QualityLines
from services.api.web.import_rejects import group_rejects, read_first_rejects, title_sources
from services.api.web.import_view import ShownImport, ShownImports, ShownReject, TriedUpload
from services.api.web.render import render, root_of
from services.api.web.require_session import PageImporter, token_of_session
from services.api.web.upload_body import read_upload
from shared.errors import InvalidRequest
from shared.reject_advice import describe_listed, find_way_in

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
ImportId = Annotated[UUID, Path()]
_PAGE = 50


@router.get("/imports")
async def show_imports(
    context: Context, key: PageImporter, request: Request, cursor: Annotated[str | None, Query()] = None
) -> Response:
    """List imports, newest first, with the form for a new one."""
    del key
    asked = {"limit": _PAGE} | ({} if cursor is None else {"cursor": cursor})
    answer = await context.ingest.ask(token_of_session(request), "GET", "/v1/imports", params=asked)
    found = ShownImports.model_validate(answer)
    return render(request, "imports.html", imports=found.imports, cursor=cursor, next=found.next)


@router.post("/imports")
async def upload_files(
    context: Context, key: PageImporter, request: Request, *, dry_run: Annotated[bool, Query()] = False
) -> Response:
    """Pass the files on to the ingest service. A dry run shows what would change."""
    del key
    upload = await read_upload(request)
    try:
        answer = await context.ingest.upload(token_of_session(request), upload, dry_run=dry_run)
    except ClientDisconnect:
        raise InvalidRequest(
            "the upload was interrupted and nothing was kept: send the files again"
        ) from None
    if not dry_run:
        return RedirectResponse(
            f"{root_of(request)}imports/{ShownImport.model_validate(answer).id}", HTTPStatus.SEE_OTHER
        )
    files = TriedUpload.model_validate(answer).files
    tried = [(file, QualityLines(file.quality or {})) for file in files]
    return render(
        request,
        "dry_run.html",
        files=[
            (file, quality, group_rejects(file.first_rejects, quality.reject_counts))
            for file, quality in tried
        ],
    )


@router.get("/imports/{import_id}")
async def show_import(context: Context, key: PageImporter, request: Request, import_id: ImportId) -> Response:
    """Show an import: progress, counts, rejected rows by reason, and what its quality report says."""
    del key
    answer = await context.ingest.ask(token_of_session(request), "GET", f"/v1/imports/{import_id}")
    found = ShownImport.model_validate(answer)
    quality = QualityLines(found.quality or {})
    rows = await _read_rejects(context, request, found) if found.counts.rejected else []
    way = find_way_in(found.origin)
    return render(
        request,
        "import.html",
        found=found,
        quality=quality,
        groups=group_rejects(rows, quality.reject_counts, way),
        listed=describe_listed(found.counts.rejected, found.quality),
        sources=title_sources(rows, way),
    )


@router.get("/imports/{import_id}/rejects.csv")
async def download_rejects(
    context: Context, key: PageImporter, request: Request, import_id: ImportId
) -> Response:
    """Download all rejected rows."""
    del key
    session = token_of_session(request)
    await context.ingest.ask(
        session, "GET", f"/v1/imports/{import_id}"
    )  # a missing one is a page that says so

    async def pass_on() -> AsyncIterator[bytes]:
        async with context.ingest.stream(session, f"/v1/imports/{import_id}/rejects") as blocks:
            async for block in blocks:
                yield block

    name = f'attachment; filename="rejects-{import_id}.csv"'
    return StreamingResponse(pass_on(), media_type="text/csv", headers={"Content-Disposition": name})


@router.post("/imports/{import_id}/cancel")
async def cancel_import(
    context: Context, key: PageImporter, request: Request, import_id: ImportId, form: SentForm
) -> Response:
    """Cancel an import, as `DELETE /v1/imports/{import_id}` does."""
    del key, form
    await context.ingest.ask(token_of_session(request), "DELETE", f"/v1/imports/{import_id}")
    return RedirectResponse(f"{root_of(request)}imports/{import_id}", HTTPStatus.SEE_OTHER)


async def _read_rejects(context: ApiContext, request: Request, found: ShownImport) -> list[ShownReject]:
    async with context.ingest.stream(token_of_session(request), f"/v1/imports/{found.id}/rejects") as blocks:
        return list(await read_first_rejects(blocks))
