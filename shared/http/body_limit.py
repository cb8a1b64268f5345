"""Limit the size of request bodies, by Content-Length and by the bytes that arrive."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import BodyTooLarge
from shared.http.problems import PROBLEMS, early_response


@dataclass(frozen=True)
class BodyLimits:
    """The most bytes of a body. `by_path` has other limits, for routes that do not hold a body in memory."""

    max_bytes: int
    by_path: Mapping[str, int] = field(default_factory=dict)


class BodyLimit:
    """ASGI middleware. Refuses a long Content-Length unread; stops a longer body while the route reads it."""

    def __init__(self, app: ASGIApp, limits: BodyLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413."""
        max_bytes = self._limits.by_path.get(scope.get("path", ""), self._limits.max_bytes)
        detail = str(BodyTooLarge(max_bytes))
        announced = Headers(scope=scope).get("content-length", "0") if scope["type"] == "http" else "0"
        if announced.isdecimal() and int(announced) > max_bytes:
            await early_response(scope, PROBLEMS[BodyTooLarge], detail)(scope, receive, send)
            return
        taken = 0

        async def receive_within_limit() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > max_bytes:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            return message

        await self._app(scope, receive_within_limit, send)
