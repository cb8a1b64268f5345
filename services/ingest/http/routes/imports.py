"""Imports as resources: upload, show, list, cancel, download rejected rows."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi import status as http_status
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AfterValidator
from starlette.requests import ClientDisconnect

from services.ingest.http.context import Context, ImportId, Writer
from services.ingest.http.dry_run import DryRun, plan_upload
from services.ingest.http.imports import (
    AcceptedUpload,
    cancel_import,
    get_import,
    list_imports,
    queue_import,
    stream_rejects,
)
from services.ingest.http.reading import parse_reading
from services.ingest.http.receive import FORM, RAW_TYPES, receive
from services.ingest.http.schemas_dry_run import DryRunBody
from services.ingest.http.schemas_imports import ImportBody, ImportPage
from services.ingest.sources.file_names import MAX_NAME_CHARACTERS, find_name_fault
from shared.errors import ImportEnded, InvalidRequest, StorageFull
from shared.http.contract import answers, with_headers
from shared.http.unique_names import UniqueNamesRoute
from shared.ids import new_id
from shared.texts import seen

router = APIRouter(route_class=UniqueNamesRoute, tags=["imports"])
_MAX_READING = 1000  # characters
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_DOCUMENTED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: _BINARY for kind in sorted(RAW_TYPES | {FORM}) if kind},
    }
}


@router.post(
    "/v1/imports",
    status_code=http_status.HTTP_202_ACCEPTED,
    openapi_extra=_DOCUMENTED,
    response_model=ImportBody,
    responses={
        http_status.HTTP_200_OK: {"model": DryRunBody, "description": "What a dry run found."},
        **answers(StorageFull),
        **with_headers(http_status.HTTP_202_ACCEPTED, "Location", "Retry-After"),
    },
)
async def create_import(
    context: Context,
    key: Writer,
    request: Request,
    response: Response,
    name: Annotated[
        str,
        AfterValidator(seen),
        Query(
            min_length=1,
            max_length=MAX_NAME_CHARACTERS,
            description="A name for the upload: at most 255 characters and 1 KB in UTF-8.",
        ),
    ] = "upload",
    status: Annotated[
        str | None,
        Query(
            max_length=_MAX_READING,
            description="Words for the status: `online=active,offline=inactive`. Default: `UPTILL_STATUS_WORDS`.",
        ),
    ] = None,
    date_format: Annotated[
        str | None,
        Query(
            max_length=_MAX_READING, description="The format of every timestamp, such as `%m/%d/%Y %H:%M`."
        ),
    ] = None,
    assume_utc: Annotated[
        bool | None, Query(description="Read timestamps without a time zone as UTC. Default: false.")
    ] = None,
    effective_from: Annotated[
        str | None,
        Query(
            max_length=_MAX_READING,
            description="First local date of the hours, as `2024-12-25`, for rows without a date of their own. Default: they"
            " replace the hours without a date.",
        ),
    ] = None,
    *,
    dry_run: DryRun = False,
) -> ImportBody | JSONResponse:
    """Upload a CSV, gzip or zip file, or a form with files.

    A form may have `status`, `date_format`, `assume_utc` and `effective_from` as parts instead of parameters. The answer
    comes when the upload is on disk. Loading it follows: poll `GET /v1/imports/{import_id}`. A dry run answers 200, when it
    has compared everything; nothing of it is kept or listed.
    """
    given = {
        "status": status,
        "date_format": date_format,
        "assume_utc": assume_utc,
        "effective_from": effective_from,
    }
    options = {name: value for name, value in given.items() if value is not None}
    words = context.settings.status_words
    parse_reading(options, words, place="query")
    if fault := find_name_fault(name):
        raise InvalidRequest(fault, field="query.name")
    import_id = new_id()
    place = context.spool.trying if dry_run else context.spool.receiving
    try:
        with place(import_id) as folder:
            received = await receive(
                request,
                folder,
                name,
                context.settings.max_upload_bytes,
                partial(context.spool.room.take, import_id),
            )
            reading = parse_reading(options, words, received.options)
            if dry_run:
                plan = partial(plan_upload, context.settings, folder, reading, key)
                found = DryRunBody.of_results(await context.dry_runs_lane.run(plan))
                return JSONResponse(found.model_dump(mode="json"))
    except ClientDisconnect:
        raise InvalidRequest("the upload was interrupted and nothing was kept: upload it again") from None
    try:
        upload = AcceptedUpload(import_id, received, reading, name, key.prefix)
        await queue_import(context.pools.accepting, upload, context.spool.spool_id)
    except BaseException:
        context.importer.doubt(import_id)
        raise
    context.importer.notify()
    row, members = await get_import(context.pools.accepting, import_id)
    response.headers["Location"] = f"/v1/imports/{import_id}"
    response.headers["Retry-After"] = "1"
    return ImportBody.from_row(row, members)


@router.get("/v1/imports")
async def read_imports(
    context: Context,
    key: Writer,
    cursor: Annotated[str | None, Query(description="The `next` value of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="The most imports to return.")] = 50,
) -> ImportPage:
    """List imports, newest first. Members of an archive are shown with the archive."""
    del key
    rows, following = await list_imports(context.pools.reading, cursor, limit)
    return ImportPage(imports=[ImportBody.from_row(row) for row in rows], next=following)


@router.get("/v1/imports/{import_id}", responses=with_headers(http_status.HTTP_200_OK, "Retry-After"))
async def read_import(context: Context, key: Writer, import_id: ImportId, response: Response) -> ImportBody:
    """Show an import: its state, its progress, the counts of its rows, and, when it has ended, its quality report."""
    del key
    row, members = await get_import(context.pools.reading, import_id)
    if row.state in ("queued", "running"):
        response.headers["Retry-After"] = "1"
    response.headers["Cache-Control"] = "no-store"
    return ImportBody.from_row(row, members)


@router.delete("/v1/imports/{import_id}", responses=answers(ImportEnded))
async def delete_import(context: Context, key: Writer, import_id: ImportId) -> ImportBody:
    """Cancel an import, or an archive with its members. Rows that are already committed stay.

    One that failed with the reason `fault` could resume, so it can be canceled too.
    """
    await cancel_import(context.pools.accepting, import_id, key.prefix)
    context.importer.notify()
    row, members = await get_import(context.pools.accepting, import_id)
    return ImportBody.from_row(row, members)


@router.get("/v1/imports/{import_id}/rejects", response_class=StreamingResponse)
async def read_rejects(context: Context, key: Writer, import_id: ImportId) -> StreamingResponse:
    """Download the rejected rows as CSV: line, byte offset, reason, raw text and source.

    The first 100,000 of a file are listed; the files of an archive share that number in equal parts. The others are only
    counted: by reason in `quality.rejects`, and as `quality.rejects_unlisted`.
    """
    del key
    await get_import(context.pools.reading, import_id)
    return StreamingResponse(
        stream_rejects(context.pools.reading, import_id),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="rejects-{import_id}.csv"'},
    )
