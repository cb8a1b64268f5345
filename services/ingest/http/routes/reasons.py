"""Reasons as resources: list, show, set, remove the words that polls may give."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response, status
from pydantic import AfterValidator, TypeAdapter

from services.ingest.http.bodies import describe_body, read_json
from services.ingest.http.context import Context
from services.ingest.http.reason_words import get_reason, list_reasons, put_reason, remove_reason
from services.ingest.http.schemas_reasons import ReasonBody, ReasonChange, ReasonList
from shared.db.connect import borrowed_async
from shared.errors import LimitReached, ReasonNotFound
from shared.http.auth import RequireScope
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.texts import storable

router = APIRouter(route_class=UniqueNamesRoute, tags=["reasons"])
# Also for those who may name reasons: in reports, or in polls.
Viewer = Annotated[ApiKey, Depends(RequireScope("reports:read", or_else=("reports:write", "ingest:write")))]
Administrator = Annotated[ApiKey, Depends(RequireScope("admin"))]
_MAX_BODY_BYTES = 64 << 10
_CHANGE = TypeAdapter(ReasonChange)
Word = Annotated[str, AfterValidator(storable), Path(description="The word of the reason.")]


@router.get("/v1/reasons")
async def get_reasons(context: Context, key: Viewer) -> ReasonList:
    """List the words that polls may give as their reason."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        return ReasonList(reasons=[ReasonBody.of_row(row) for row in await list_reasons(conn)])


@router.get("/v1/reasons/{word}", responses=answers(ReasonNotFound))
async def get_one_reason(context: Context, key: Viewer, word: Word) -> ReasonBody:
    """Show one word."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        return ReasonBody.of_row(await get_reason(conn, word))


@router.put("/v1/reasons/{word}", responses=answers(LimitReached), openapi_extra=describe_body(ReasonChange))
async def put_one_reason(context: Context, key: Administrator, request: Request, word: Word) -> ReasonBody:
    """Add a word, or replace its description. Polls may give it at once."""
    change = await read_json(request, _CHANGE, limit_bytes=_MAX_BODY_BYTES)
    async with borrowed_async(context.pools.accepting) as conn:
        return ReasonBody.of_row(await put_reason(conn, word, change.description, key.prefix))


@router.delete(
    "/v1/reasons/{word}", status_code=status.HTTP_204_NO_CONTENT, responses=answers(ReasonNotFound)
)
async def delete_reason(context: Context, key: Administrator, word: Word) -> Response:
    """Remove a word. Polls may no longer give it; those that did keep it."""
    async with borrowed_async(context.pools.accepting) as conn:
        await remove_reason(conn, word, key.prefix)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
