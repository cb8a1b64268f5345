"""How much of a body is taken, by the announced length and by what really comes."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import BodyTooLarge
from shared.http.problems import PROBLEMS, problem_response


class BodyLimit:
    """Pure ASGI. Refuses by the announced length without reading; a longer body without one breaks off in the route."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._detail = f"the body is longer than {max_bytes:,} bytes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 413."""
        announced = Headers(scope=scope).get("content-length", "0") if scope["type"] == "http" else "0"
        if announced.isdecimal() and int(announced) > self._max_bytes:
            await problem_response(PROBLEMS[BodyTooLarge], self._detail)(scope, receive, send)
            return
        taken = 0

        async def receive_so_much() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_bytes:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._detail)
            return message

        await self._app(scope, receive_so_much, send)
