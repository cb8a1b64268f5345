"""The only place that knows what an error means in HTTP. Every error answer is problem+json (RFC 9457)."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared import errors
from shared.http.faults import fault
from shared.http.headers import REQUEST_ID, SECURITY_HEADERS
from shared.http.quotas import Quota
from shared.redact import redacted

_log = structlog.get_logger()
RETRY_AFTER_S = "5"
_SHOWN_FAULTS = 20
_TOO_DEEP_DETAIL = "no call takes JSON with more than a few levels"


@dataclass(frozen=True)
class Problem:
    """A code of the public contract, with its status. The code is the last part of `type`."""

    code: str
    status: HTTPStatus
    title: str

    @property
    def type(self) -> str:
        return f"urn:uptill:error:{self.code}"


PROBLEMS: Mapping[type[Exception], Problem] = {
    errors.InvalidRequest: Problem(
        "invalid_request", HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not valid"
    ),
    errors.BadHeader: Problem("bad_header", HTTPStatus.BAD_REQUEST, "A request header is not valid"),
    errors.AuthenticationError: Problem(
        "unauthenticated", HTTPStatus.UNAUTHORIZED, "A valid API key is needed"
    ),
    errors.ForbiddenError: Problem("forbidden", HTTPStatus.FORBIDDEN, "The API key may not do this"),
    errors.ReportNotFound: Problem("report_not_found", HTTPStatus.NOT_FOUND, "There is no such report"),
    errors.StoreNotFound: Problem("store_not_found", HTTPStatus.NOT_FOUND, "There is no such store"),
    errors.FileNotReady: Problem("file_not_ready", HTTPStatus.CONFLICT, "The report has no such file yet"),
    errors.FileNotFound: Problem("file_not_found", HTTPStatus.NOT_FOUND, "The report has no such file"),
    errors.ImportNotFound: Problem("import_not_found", HTTPStatus.NOT_FOUND, "There is no such import"),
    errors.BodyTooLarge: Problem(
        "body_too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is longer than the limit"
    ),
    errors.UnsupportedMediaType: Problem(
        "unsupported_media_type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The body is of no type that this call takes",
    ),
    errors.StorageFull: Problem(
        "storage_full", HTTPStatus.INSUFFICIENT_STORAGE, "The disk has no room for the upload"
    ),
    errors.ReportExpired: Problem("report_expired", HTTPStatus.GONE, "The report's files were removed"),
    errors.FileLost: Problem("file_lost", HTTPStatus.GONE, "The object store has lost the file"),
    errors.ReportEnded: Problem("report_ended", HTTPStatus.CONFLICT, "The report has ended in another way"),
    errors.IdempotencyKeyReused: Problem(
        "idempotency_key_reused",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The Idempotency-Key stands for another request",
    ),
    errors.RateLimited: Problem("rate_limited", HTTPStatus.TOO_MANY_REQUESTS, "The key made too many calls"),
    errors.TooManyOpenReports: Problem(
        "too_many_open_reports", HTTPStatus.TOO_MANY_REQUESTS, "The key has too many unfinished reports"
    ),
    errors.TooManyPendingWebhooks: Problem(
        "too_many_pending_webhooks", HTTPStatus.TOO_MANY_REQUESTS, "The key has too many webhooks waiting"
    ),
    errors.LimitReached: Problem(
        "limit_reached", HTTPStatus.CONFLICT, "The key has as many of these as it may have"
    ),
    errors.Overloaded: Problem(
        "overloaded", HTTPStatus.SERVICE_UNAVAILABLE, "More work waits than can be taken on"
    ),
    errors.ImportBusy: Problem("import_busy", HTTPStatus.CONFLICT, "Another process is running the import"),
    errors.ImportEnded: Problem(
        "import_ended", HTTPStatus.CONFLICT, "The import cannot be canceled any more"
    ),
    errors.EndpointNotFound: Problem(
        "webhook_endpoint_not_found", HTTPStatus.NOT_FOUND, "There is no such webhook endpoint"
    ),
    errors.DeliveryNotFound: Problem(
        "webhook_delivery_not_found", HTTPStatus.NOT_FOUND, "There is no such webhook delivery"
    ),
    errors.DeliveryBusy: Problem(
        "webhook_delivery_busy", HTTPStatus.CONFLICT, "The webhook delivery is being sent"
    ),
    errors.WebhookSecretMissing: Problem(
        "webhook_secret_missing", HTTPStatus.CONFLICT, "The API key has no webhook secret"
    ),
    errors.ScheduleNotFound: Problem(
        "schedule_not_found", HTTPStatus.NOT_FOUND, "There is no such report schedule"
    ),
    errors.KeyNotFound: Problem("key_not_found", HTTPStatus.NOT_FOUND, "There is no such live API key"),
    errors.KeyReplaced: Problem("key_replaced", HTTPStatus.CONFLICT, "The API key has a successor already"),
    errors.StatementTimedOut: Problem(
        "timed_out", HTTPStatus.SERVICE_UNAVAILABLE, "The database took longer than a call may take"
    ),
    errors.InfrastructureError: Problem(
        "unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "A server that this service needs does not answer"
    ),
}
NOT_FOUND = Problem("not_found", HTTPStatus.NOT_FOUND, "There is nothing at this path")
BAD_REQUEST = Problem("bad_request", HTTPStatus.BAD_REQUEST, "The request cannot be read")
TOO_DEEP = Problem("too_deep", HTTPStatus.BAD_REQUEST, "The JSON is nested too deeply")
INTERNAL = Problem("internal", HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed")
BODY_TOO_SLOW = Problem("body_too_slow", HTTPStatus.REQUEST_TIMEOUT, "The body comes too slowly")
UNKNOWN_HOST = Problem("unknown_host", HTTPStatus.BAD_REQUEST, "The Host header names another service")
# What the framework refuses before a route is reached, by status.
_FRAMEWORK = {
    problem.status: problem
    for problem in (
        BAD_REQUEST,
        NOT_FOUND,
        Problem("method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, "The path does not take this method"),
        PROBLEMS[errors.BodyTooLarge],
        BODY_TOO_SLOW,
    )
}
REGISTRY: Sequence[Problem] = sorted(
    {*PROBLEMS.values(), *_FRAMEWORK.values(), UNKNOWN_HOST, TOO_DEEP, INTERNAL},
    key=lambda problem: problem.code,
)


class ProblemResponse(JSONResponse):
    """An error answer. It quotes what the caller sent: any text is made sendable, and a key in it is not shown."""

    media_type = "application/problem+json"

    def render(self, content: Any) -> bytes:
        """Encode."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return redacted(text).encode("utf-8", "backslashreplace")


def problem_response(
    problem: Problem, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> ProblemResponse:
    """Build the answer; `members` are extension members."""
    body = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        **members,
    }
    return ProblemResponse(body, problem.status, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Register the mapping."""
    app.add_exception_handler(errors.UptillError, _on_domain_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)


async def _on_domain_error(request: Request, error: Exception) -> ProblemResponse:
    problem = next((PROBLEMS[base] for base in type(error).__mro__ if base in PROBLEMS), INTERNAL)
    headers = {}
    match problem.status:
        case HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        case HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = RETRY_AFTER_S
            _log.warning("unavailable", path=request.url.path, error=str(error))
    if isinstance(error, errors.RateLimited):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if isinstance(error, errors.TooManyOpen):
        headers["Retry-After"] = RETRY_AFTER_S
        headers.update(Quota(error.quota, error.limit, error.limit).headers())
    field = getattr(error, "field", None)
    return _answer(request, problem, str(error), headers, **({"field": field} if field else {}))


async def _on_validation_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    if any(item["loc"][0] == "path" for item in error.errors()):  # what is no id is the id of nothing
        return _answer(request, NOT_FOUND, f"there is nothing at {request.url.path}")
    if any(
        item.get("type") == "json_invalid" and "recursion limit" in item["msg"] for item in error.errors()
    ):
        return _answer(request, TOO_DEEP, _TOO_DEEP_DETAIL)
    if isinstance(error.body, bytes):  # FastAPI parses nothing that is not called JSON
        return _answer(
            request, PROBLEMS[errors.UnsupportedMediaType], "send JSON, with Content-Type: application/json"
        )
    found = [fault(item) for item in error.errors()[:_SHOWN_FAULTS]]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in found)
    return _answer(request, PROBLEMS[errors.InvalidRequest], detail, errors=found)


async def _on_http_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    if isinstance(error.__cause__, errors.UptillError):  # shared/http/key_before_body.py
        return await _on_domain_error(request, error.__cause__)
    if isinstance(error.__cause__, RecursionError):  # FastAPI's own reading of a body
        return _answer(request, TOO_DEEP, _TOO_DEEP_DETAIL)
    problem = _FRAMEWORK.get(HTTPStatus(error.status_code), INTERNAL)
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            detail = f"there is nothing at {request.url.path}; /docs shows what there is"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            detail = (
                f"{request.url.path} does not take {request.method}, but {(error.headers or {})['Allow']}"
            )
        case _:
            detail = f"{request.method} {request.url.path}: {error.detail}"
    return _answer(request, problem, detail, error.headers)


async def _on_bug(request: Request, error: Exception) -> ProblemResponse:
    _log.error("bug", path=request.url.path, exc_info=error)
    # This answer is made outside of the middleware.
    headers = {**SECURITY_HEADERS, REQUEST_ID: _request_id(request)}
    return _answer(request, INTERNAL, "The failure was logged.", headers)


def _answer(
    request: Request, problem: Problem, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> ProblemResponse:
    return problem_response(problem, detail, headers=headers, request_id=_request_id(request), **members)


def _request_id(request: Request) -> str:
    return getattr(request.state, "request_id", "")


def errors_reference() -> str:
    """Return the page `docs/reference/errors.md`: every code with its status and meaning."""
    rows = [f"| `{problem.code}` | {int(problem.status)} | {problem.title}. |" for problem in REGISTRY]
    return "\n".join(
        [
            "# Errors",
            "",
            "Every error is `application/problem+json` (RFC 9457); `type` is `urn:uptill:error:` and the code. With 429 and 503",
            "comes `Retry-After`. A `field` or a list `errors` names what is wrong in a request.",
            "",
            "| code | status | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )
