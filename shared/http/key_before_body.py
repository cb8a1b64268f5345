"""Check the API key before reading the body, and again while a long body arrives.

The check runs the route's own `RequireScope` early: FastAPI reads and parses a body before it runs dependencies.
"""

import time
from http import HTTPStatus

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import UptillError
from shared.http.auth import leave
from shared.http.demands import demand_of, refuse_ended
from shared.http.key_ring import REMEMBERED_S


class KeyBeforeBody:
    """ASGI middleware around the router. The route is known by the time the body is first requested."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. Without a valid key, the route's first `receive` raises."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        checked_s: float | None = None

        async def receive_from_a_caller() -> Message:
            nonlocal checked_s
            if checked_s is None:
                await _check_key(scope, is_first=True)
                checked_s = time.monotonic()
            message = await receive()
            if message.get("more_body") and time.monotonic() - checked_s > REMEMBERED_S:
                await _check_key(scope, is_first=False)
                checked_s = time.monotonic()
            return message

        try:
            await self._app(scope, receive_from_a_caller, send)
        finally:
            leave(scope)


async def _check_key(scope: Scope, *, is_first: bool) -> None:
    demand = demand_of(scope.get("route"))
    if demand is None:
        return
    try:
        await (demand if is_first else refuse_ended)(Request(scope))
    except UptillError as error:  # FastAPI lets only HTTPException through while it reads a body
        raise HTTPException(HTTPStatus.BAD_REQUEST) from error
