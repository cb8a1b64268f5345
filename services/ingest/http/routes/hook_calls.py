"""Calls of hooks: other systems send their payloads, signed; answered once their polls are committed."""

from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from services.ingest.hooks.unfold import BATCH_TYPE, EVENT_TYPE
from services.ingest.http.hook_calls import HookOutcome, UnsignedCall, receive_call
from services.ingest.http.schemas_hooks import HookCallBody
from shared.errors import (
    ForbiddenError,
    HookNotFound,
    InfrastructureError,
    InvalidRequest,
    RateLimited,
    SignatureInvalid,
    UptillError,
)
from shared.http.auth import public
from shared.http.contract import answers
from shared.metrics.registry import HOOK_CALLS, HOOK_ITEMS

router = APIRouter(tags=["hooks"], dependencies=[Depends(public)])
_PAYLOAD: Final = {"schema": {"description": "Any JSON; the hook's mapping says what it means."}}
_NAME: Final[dict[str, Any]] = {"name": "hook", "in": "path", "required": True, "schema": {"type": "string"}}
_DOCUMENTED: Final[dict[str, Any]] = {
    "parameters": [{**_NAME, "description": "The hook's name."}],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {**_PAYLOAD, "example": {"store": {"id": "0042"}, "status": "ONLINE"}},
            EVENT_TYPE: {
                **_PAYLOAD,
                "example": {"specversion": "1.0", "id": "1", "source": "/pos", "type": "status"},
            },
            BATCH_TYPE: {**_PAYLOAD, "example": []},
        },
    },
}


@router.post(
    "/v1/hooks/{hook}",
    openapi_extra=_DOCUMENTED,
    response_model=HookCallBody,
    responses=answers(
        HookNotFound, SignatureInvalid, ForbiddenError, InvalidRequest, RateLimited, InfrastructureError
    ),
)
async def call_hook(request: Request) -> Response:
    """Send a payload to a hook. It proves who sends it by its signature, or by an API key if the hook says so.

    The answer comes when the polls are committed. Items that cannot be stored are kept as rejected rows, and the rest is
    stored. A message that was received before changes nothing.
    """
    try:
        hook = await request.app.state.context.hooks.get(request.path_params["hook"])
    except HookNotFound:
        HOOK_CALLS.labels(
            "none", "refused"
        ).inc()  # a name that a stranger chose would be a series of its own
        raise
    try:
        outcome = await receive_call(request, hook)
    except (UptillError, HTTPException, RequestValidationError) as error:
        HOOK_CALLS.labels(hook.name, _name_failure(error)).inc()
        raise
    _count(hook.name, outcome)
    counts = outcome.counts
    answer = HookCallBody(
        accepted=counts.accepted,
        duplicate=counts.duplicate,
        corrected=counts.corrected,
        rejected=counts.rejected,
        ignored=outcome.ignored,
        replayed=outcome.is_replayed,
    )
    return Response(answer.model_dump_json(), media_type="application/json")


def shorten_way(app: FastAPI) -> None:
    """Let calls of hooks reach their function past FastAPI, whose own work takes longer than all of a call's (measured).

    The route above describes them, and names them in logs and metrics.
    """
    (described,) = router.routes
    app.router.routes.insert(0, Route("/v1/hooks/{hook}", HookEndpoint(described), methods=["POST"]))


class HookEndpoint:
    """An ASGI application: around one that is not a plain function, Starlette puts nothing."""

    def __init__(self, described: BaseRoute) -> None:
        self._described = described

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        scope["route"] = self._described
        answer = await call_hook(Request(scope, receive, send))
        await answer(scope, receive, send)


def _name_failure(error: Exception) -> str:
    match error:
        case UnsignedCall():
            return "stale" if error.kind == "stale" else "unsigned"
        case InfrastructureError():
            return "unavailable"
        case RequestValidationError() | HTTPException():
            return "unreadable"
    return "refused"


def _count(hook: str, outcome: HookOutcome) -> None:
    counts = outcome.counts
    result = "replayed" if outcome.is_replayed else "stored" if counts.rows_read else "ignored"
    HOOK_CALLS.labels(hook, result).inc()
    found = {
        "accepted": counts.accepted,
        "duplicate": counts.duplicate,
        "corrected": counts.corrected,
        "ignored": outcome.ignored,
    }
    for name, number in found.items():
        if number:
            HOOK_ITEMS.labels(hook, name).inc(number)
