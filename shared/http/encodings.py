"""Bodies with `Content-Encoding: gzip`: decompressed as they arrive, in bounded memory."""

import zlib
from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import UnsupportedMediaType
from shared.http.problems import PROBLEMS, early_response

_GZIP = frozenset({"gzip", "x-gzip"})
_AS_IT_IS = "identity"
_DECODED = ("application/json", "application/cloudevents", "multipart/form-data")
_STEP_BYTES = 64 << 10
_WINDOW_BITS = 16 + zlib.MAX_WBITS  # gzip's header and trailer
_UNREADABLE = "the body is not valid gzip, although Content-Encoding says so"


def refuse_encoding(headers: Mapping[str, str]) -> None:
    """Raise what a request gets whose body is plain JSON, although its headers may declare it as encoded.

    `headers` are by lower-case name. Raise `UnsupportedMediaType`, and HTTPException 400.
    """
    encoding = _body_encoding(headers)
    if encoding in _GZIP:
        raise HTTPException(HTTPStatus.BAD_REQUEST, _UNREADABLE)
    if encoding != _AS_IT_IS:
        raise UnsupportedMediaType(_describe_unsupported(encoding))


def _body_encoding(headers: Mapping[str, str]) -> str:
    return headers.get("content-encoding", "").strip().lower() or _AS_IT_IS


def _describe_unsupported(encoding: str) -> str:
    return f"unsupported Content-Encoding {encoding!r}: send the body as it is, or with gzip"


def _is_decoded(headers: Mapping[str, str]) -> bool:
    """Whether the body is JSON or a form. Other files arrive as they are: loading unpacks them."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind.startswith(_DECODED) or (kind.startswith("application/") and kind.endswith("+json"))


class DecodedBody:
    """Pure ASGI. Passes JSON and forms on decompressed; answers 415 for an encoding other than gzip."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 415."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        encoding = _body_encoding(headers)
        if encoding == _AS_IT_IS:
            await self._app(scope, receive, send)
        elif encoding not in _GZIP:
            detail, accepted = _describe_unsupported(encoding), {"Accept-Encoding": "gzip"}
            answer = early_response(scope, PROBLEMS[UnsupportedMediaType], detail, headers=accepted)
            await answer(scope, receive, send)
        elif _is_decoded(headers):
            without = [
                pair for pair in scope["headers"] if pair[0] not in (b"content-encoding", b"content-length")
            ]
            await self._app({**scope, "headers": without}, _Gunzipped(receive), send)
        else:
            await self._app(scope, receive, send)


class _Gunzipped:
    """A `receive` that yields the decompressed body, at most `_STEP_BYTES` at a time."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._stream = zlib.decompressobj(_WINDOW_BITS)
        self._pending = b""
        self._more = True

    async def __call__(self) -> Message:
        """Return the next message. Raises HTTPException 400 for bytes that are not one whole gzip stream."""
        while True:
            if data := self._inflate():
                return {"type": "http.request", "body": data, "more_body": True}
            if not self._more:
                if not self._stream.eof or self._stream.unused_data:
                    raise HTTPException(HTTPStatus.BAD_REQUEST, _UNREADABLE)
                return {"type": "http.request", "body": b"", "more_body": False}
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._pending += message.get("body", b"")
            self._more = message.get("more_body", False)
            if self._stream.eof and self._pending:
                raise HTTPException(HTTPStatus.BAD_REQUEST, _UNREADABLE)

    def _inflate(self) -> bytes:
        if self._stream.eof:
            return b""
        try:
            data = self._stream.decompress(self._pending, _STEP_BYTES)
        except zlib.error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, _UNREADABLE) from None
        self._pending = self._stream.unconsumed_tail
        return data
