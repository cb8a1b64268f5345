"""Give every request an id, for its answer and log lines, and record one log line and one metric at its end."""

import re
import time
from collections.abc import MutableMapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.http.error_handlers import CLIENT_LEFT
from shared.http.headers import REQUEST_ID
from shared.ids import new_id
from shared.metrics.registry import REQUEST_DURATION
from shared.redact import redacted
from shared.reports.model import NOWHERE, Origin
from shared.telemetry import log_request
from shared.tracing import TraceSpan, span

_SENDER_MAY_CHOOSE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ASKED_BY_MACHINES = frozenset({"/livez", "/readyz", "/metrics"})
_NO_ROUTE = "none"
_log = structlog.get_logger("request")
_origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


class Observe:
    """Pure ASGI middleware: it does not buffer answers or hide client disconnects from handlers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and record it. Ignores anything but HTTP."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        status = CLIENT_LEFT
        began = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers_out = MutableHeaders(scope=message)
                headers_out[REQUEST_ID] = request_id
                if (
                    allowance := scope["state"].get("rate_limit")
                ) is not None:  # shared/http/auth.py counted it
                    headers_out.update(allowance.headers())
            await send(message)

        # Do not unbind at the end: the outer error handler logs too, and each request runs in its own task.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        scope.setdefault("state", {})["request_id"] = request_id
        with _request_span(scope, headers) as request_span:
            _origin.set(Origin(request_id, request_span.traceparent))
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                status = HTTPStatus.INTERNAL_SERVER_ERROR
                raise
            finally:
                method, route = _name_route(scope)
                _note_request(scope["path"], method, route, status, time.perf_counter() - began)
                request_span.describe(
                    f"{method} {route}", {"http.route": route, "http.response.status_code": int(status)}
                )


def current_origin() -> Origin:
    """Return the origin of the current request, to store with what it creates."""
    return _origin.get()


def _request_span(scope: Scope, headers: Headers) -> AbstractContextManager[TraceSpan]:
    if scope["path"] in _ASKED_BY_MACHINES:
        return nullcontext(TraceSpan())
    method = {"http.request.method": _name_route(scope)[0]}
    return span("request", method, kind="server", parent=headers.get("traceparent"))


def _note_request(path: str, method: str, route: str, status: int, seconds: float) -> None:
    REQUEST_DURATION.labels(route, method, f"{status // 100}xx").observe(seconds)
    line: dict[str, str | float] = {
        "method": method,
        "route": route,
        "path": path,
        "status": int(status),
    }
    if path in _ASKED_BY_MACHINES:
        _log.debug("request", **line, duration_ms=round(seconds * 1000, 1))
    else:
        log_request(**line, duration_ms=round(seconds * 1000, 1))


def _name_route(scope: MutableMapping[str, Any]) -> tuple[str, str]:
    """Return the method and the route's template; never the raw path, which a caller chooses."""
    method = scope["method"] if scope["method"] in _METHODS else "other"
    return method, getattr(scope.get("route"), "path", _NO_ROUTE)


def _request_id(headers: Headers) -> str:
    given = headers.get(REQUEST_ID, "")
    is_fit = _SENDER_MAY_CHOOSE.fullmatch(given) and redacted(given) == given
    return given if is_fit else str(new_id())
