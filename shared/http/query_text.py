"""Refuse queries with U+0000: Postgres stores it in no text, so a search for it would fail there."""

from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import InvalidRequest
from shared.http.problems import PROBLEMS, early_response


class QueriesWithoutNul:
    """ASGI middleware. It answers 422 for a query with %00; each value would have to be checked otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 422."""
        if scope["type"] == "http" and b"%00" in (scope.get("query_string") or b""):
            part = next(part for part in scope["query_string"].split(b"&") if b"%00" in part)
            field = "query." + unquote_to_bytes(part.partition(b"=")[0]).decode("utf-8", "replace")
            message = "the query holds %00 (U+0000), which is not text: leave it out"
            errors = [{"field": field, "message": message}]
            answer = early_response(scope, PROBLEMS[InvalidRequest], message, field=field, errors=errors)
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)
