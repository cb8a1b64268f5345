"""HEAD wherever GET is: the same status and headers, without the body (RFC 9110, section 9.3.2)."""

from collections.abc import Collection

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _Answered(OSError):
    """The headers are sent: the rest of the answer is not needed. Starlette expects an OSError of `send`."""


class HeadAsGet:
    """Pure ASGI. Runs a HEAD request as GET and stops once the headers are sent.

    `except_paths` are paths where GET changes something: a HEAD request must not.
    """

    def __init__(self, app: ASGIApp, except_paths: Collection[str] = ()) -> None:
        self._app = app
        self._except_paths = frozenset(except_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on every other method unchanged."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        if not is_head or scope["path"] in self._except_paths:
            await self._app(scope, receive, send)
            return
        inner = {**scope, "method": "GET"}  # the server keeps the outer scope, and sends no body for HEAD

        async def send_headers(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                await send({"type": "http.response.body"})
                raise _Answered

        try:
            await self._app(inner, receive, send_headers)
        except (_Answered, ClientDisconnect):
            pass
        finally:
            if (route := inner.get("route")) is not None:
                scope["route"] = route  # for the metrics and the log
