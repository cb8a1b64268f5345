"""Refuse an Idempotency-Key that names no request: read as no key, a retry would do the work twice."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import BadHeader
from shared.http.problems import PROBLEMS, early_response

_NAME = "Idempotency-Key"
_MAX_CHARACTERS = 255


class UsableIdempotencyKey:
    """ASGI middleware. It answers 400 for a POST whose key is empty, too long, or given twice."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400."""
        fault = _find_fault(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        if fault:
            await early_response(scope, PROBLEMS[BadHeader], fault)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _find_fault(scope: Scope) -> str | None:
    keys = Headers(scope=scope).getlist(_NAME)
    if len(keys) > 1:
        return f"the {_NAME} is given {len(keys)} times: send one"
    if keys and not 1 <= len(keys[0].strip()) <= _MAX_CHARACTERS:
        return f"the {_NAME} has {len(keys[0].strip())} characters: use 1 to {_MAX_CHARACTERS}, or leave the header out"
    return None
