"""Turn exceptions into problem+json answers. No other module maps errors to HTTP."""

import math
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from shared import errors
from shared.explain import explain
from shared.http.faults import fault
from shared.http.headers import REQUEST_ID, SECURITY_HEADERS
from shared.http.problems import (
    FRAMEWORK_PROBLEMS,
    INTERNAL,
    NOT_FOUND,
    PROBLEMS,
    RETRY_AFTER_S,
    TOO_DEEP,
    Problem,
    problem_response,
)
from shared.http.quotas import Quota

# A service that shows pages to people keeps one in `app.state.error_page`. It returns None for a request of a program.
ErrorPage = Callable[[Request, Problem, str], Response | None]
_log = structlog.get_logger()
_SHOWN_FAULTS = 20
CLIENT_LEFT = 499  # as reverse proxies log it
_PLACES = frozenset({"body", "path", "query", "header"})
_NAME = re.compile(
    r"[a-z][a-z0-9_]*(\.\w+)*(\[\d+\])?"
)  # not `line 1`, which is the place in a body of another format
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_TOO_DEEP_DETAIL = "the JSON body is nested too deeply: no request needs more than a few levels; flatten it"


def add_error_handlers(app: FastAPI) -> None:
    """Register the handlers that turn every error into problem+json."""
    app.add_exception_handler(errors.UptillError, _on_domain_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(ClientDisconnect, _on_caller_gone)
    app.add_exception_handler(Exception, _on_bug)


async def _on_domain_error(request: Request, error: Exception) -> Response:
    problem = next((PROBLEMS[base] for base in type(error).__mro__ if base in PROBLEMS), INTERNAL)
    headers = {}
    match problem.status:
        case HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        case HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = RETRY_AFTER_S
            _log.warning("unavailable", path=request.url.path, error=explain(error))
    if isinstance(error, errors.RateLimited):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if isinstance(error, errors.TooManyOpen):
        headers["Retry-After"] = RETRY_AFTER_S
        headers.update(Quota(error.quota, error.limit, error.limit).headers())
    return _make_answer(request, problem, str(error), headers, **_name_field(request, error))


def _name_field(request: Request, error: Exception) -> Mapping[str, Any]:
    """Return what names the wrong field, in the same form as for a body that does not fit its schema."""
    bare: str | None = getattr(error, "field", None)
    if not bare:
        return {}
    field = _place_field(request, bare)
    return {"field": field, "errors": [{"field": field, "message": str(error)}]}


def _place_field(request: Request, field: str) -> str:
    """Return the field with its place in the request. The domain knows only its name."""
    name = field.partition(".")[0]
    if name in _PLACES or not _NAME.fullmatch(field):
        return field
    if name in request.path_params:
        return f"path.{field}"
    if name in request.query_params or request.method not in _WITH_BODY:
        return f"query.{field}"
    return f"body.{field}"


def _hint_encoding(path: str) -> str:
    """Return what an id needs, if the path may have lost its end: a client sends nothing from `#` on."""
    return (
        ", and percent-encode an id with #, ? or / in it (%23, %3F, %2F)"
        if path.endswith("/") and path != "/"
        else ""
    )


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    if any(item["loc"][0] == "path" for item in error.errors()):  # a malformed id names nothing
        return _make_answer(
            request, NOT_FOUND, f"nothing exists at {request.url.path}: check the id in the path"
        )
    if any(
        item.get("type") == "json_invalid" and "recursion limit" in item["msg"] for item in error.errors()
    ):
        return _make_answer(request, TOO_DEEP, _TOO_DEEP_DETAIL)
    if isinstance(error.body, bytes):  # FastAPI parses only what is declared as JSON
        return _make_answer(
            request,
            PROBLEMS[errors.UnsupportedMediaType],
            "the body is not declared as JSON: send JSON with Content-Type: application/json",
        )
    found = [fault(item) for item in error.errors()[:_SHOWN_FAULTS]]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in found)
    return _make_answer(
        request, PROBLEMS[errors.InvalidRequest], detail, field=found[0]["field"], errors=found
    )


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    if isinstance(error.__cause__, errors.UptillError):  # shared/http/key_before_body.py
        return await _on_domain_error(request, error.__cause__)
    if isinstance(error.__cause__, RecursionError):  # FastAPI's own reading of a body
        return _make_answer(request, TOO_DEEP, _TOO_DEEP_DETAIL)
    problem, headers = FRAMEWORK_PROBLEMS.get(HTTPStatus(error.status_code), INTERNAL), error.headers
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            detail = f"nothing exists at {request.url.path}: see /docs for all paths{_hint_encoding(request.url.path)}"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"Allow": _list_methods(request)}
            detail = f"{request.url.path} does not support {request.method}: use {headers['Allow']}"
        case _:
            detail = f"{request.method} {request.url.path}: {error.detail}"
    return _make_answer(request, problem, detail, headers)


def _list_methods(request: Request) -> str:
    """Return the methods of all routes of the path. The framework names only those of the first one."""
    return ", ".join(
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    )


async def _on_caller_gone(request: Request, error: Exception) -> Response:
    """The caller left before its body was complete. The answer reaches no one, and its status is for the log."""
    del request, error
    return Response(status_code=CLIENT_LEFT)


async def _on_bug(request: Request, error: Exception) -> Response:
    _log.error("bug", path=request.url.path, exc_info=error)
    # This answer does not pass through the middleware.
    headers = {**SECURITY_HEADERS, REQUEST_ID: _request_id(request)}
    return _make_answer(
        request,
        INTERNAL,
        "an unexpected error was logged: report the request_id to the operator of this service",
        headers,
    )


def _make_answer(
    request: Request, problem: Problem, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    show_page: ErrorPage | None = getattr(request.app.state, "error_page", None)
    page = None if show_page is None else show_page(request, problem, detail)
    if page is not None:
        for name, value in (headers or {}).items():
            page.headers.setdefault(name, value)
        return page
    return problem_response(problem, detail, headers=headers, request_id=_request_id(request), **members)


def _request_id(request: Request) -> str:
    return getattr(request.state, "request_id", "")
