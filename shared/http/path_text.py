"""Refuse paths that are not UTF-8: the server would replace the bytes, and read another id than the one meant."""

from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.problems import BAD_REQUEST, early_response


class Utf8Paths:
    """ASGI middleware. It answers 400 for a path that is not UTF-8 once its percent signs are decoded."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400."""
        if scope["type"] == "http" and not _is_utf8(scope.get("raw_path") or b""):
            answer = early_response(
                scope,
                BAD_REQUEST,
                "the path is not UTF-8 text: encode the id in it as UTF-8, then percent-encode its bytes",
            )
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_utf8(path: bytes) -> bool:
    if b"%" not in path and path.isascii():
        return True
    try:
        unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
