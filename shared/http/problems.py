"""The registry of errors: code, status and title of each, and the problem+json answer (RFC 9457)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from shared import errors
from shared.redact import redacted

RETRY_AFTER_S = "5"


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
        "invalid_request", HTTPStatus.UNPROCESSABLE_ENTITY, "The request is invalid"
    ),
    errors.BadHeader: Problem("bad_header", HTTPStatus.BAD_REQUEST, "A request header is invalid"),
    errors.AuthenticationError: Problem(
        "unauthenticated", HTTPStatus.UNAUTHORIZED, "A valid API key is required"
    ),
    errors.ForbiddenError: Problem(
        "forbidden", HTTPStatus.FORBIDDEN, "The API key is not allowed to do this"
    ),
    errors.ReportNotFound: Problem("report_not_found", HTTPStatus.NOT_FOUND, "Report not found"),
    errors.DataForgotten: Problem(
        "data_forgotten", HTTPStatus.GONE, "Data that the report was made from is gone"
    ),
    errors.FactsNotFound: Problem("facts_not_found", HTTPStatus.NOT_FOUND, "Job of daily facts not found"),
    errors.InsightRunNotFound: Problem(
        "insight_run_not_found", HTTPStatus.NOT_FOUND, "Run of insights not found"
    ),
    errors.StoreNotFound: Problem("store_not_found", HTTPStatus.NOT_FOUND, "Store not found"),
    errors.StoreFailed: Problem("store_failed", HTTPStatus.CONFLICT, "The store cannot be computed"),
    errors.NotExplainable: Problem("not_explainable", HTTPStatus.CONFLICT, "The report cannot be explained"),
    errors.StoreNotInReport: Problem(
        "store_not_in_report", HTTPStatus.NOT_FOUND, "The report has no row for the store"
    ),
    errors.FileNotReady: Problem("file_not_ready", HTTPStatus.CONFLICT, "The file is not ready yet"),
    errors.FileNotFound: Problem("file_not_found", HTTPStatus.NOT_FOUND, "File not found"),
    errors.ImportNotFound: Problem("import_not_found", HTTPStatus.NOT_FOUND, "Import not found"),
    errors.BodyTooLarge: Problem(
        "body_too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request body is too large"
    ),
    errors.UnsupportedMediaType: Problem(
        "unsupported_media_type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The media type of the body is not supported",
    ),
    errors.StorageFull: Problem(
        "storage_full", HTTPStatus.INSUFFICIENT_STORAGE, "The disk is too full for the upload"
    ),
    errors.ReportExpired: Problem("report_expired", HTTPStatus.GONE, "The report has expired"),
    errors.FileLost: Problem("file_lost", HTTPStatus.GONE, "The file is missing from the object store"),
    errors.ReportEnded: Problem("report_ended", HTTPStatus.CONFLICT, "The report has already ended"),
    errors.ReportNotRevisable: Problem(
        "report_not_revisable", HTTPStatus.CONFLICT, "The report cannot be revised"
    ),
    errors.ReportsNotComparable: Problem(
        "reports_not_comparable", HTTPStatus.CONFLICT, "The reports cannot be compared"
    ),
    errors.IdempotencyKeyReused: Problem(
        "idempotency_key_reused",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The Idempotency-Key was used for a different request",
    ),
    errors.RateLimited: Problem(
        "rate_limited", HTTPStatus.TOO_MANY_REQUESTS, "The key made too many requests"
    ),
    errors.TooManyOpenReports: Problem(
        "too_many_open_reports", HTTPStatus.TOO_MANY_REQUESTS, "The key has too many unfinished reports"
    ),
    errors.TooManyPendingWebhooks: Problem(
        "too_many_pending_webhooks", HTTPStatus.TOO_MANY_REQUESTS, "The key has too many pending webhooks"
    ),
    errors.LimitReached: Problem("limit_reached", HTTPStatus.CONFLICT, "A limit is reached"),
    errors.Overloaded: Problem("overloaded", HTTPStatus.SERVICE_UNAVAILABLE, "The service is overloaded"),
    errors.ImportBusy: Problem("import_busy", HTTPStatus.CONFLICT, "Another process is running the import"),
    errors.ImportEnded: Problem("import_ended", HTTPStatus.CONFLICT, "The import cannot be canceled"),
    errors.EndpointNotFound: Problem(
        "webhook_endpoint_not_found", HTTPStatus.NOT_FOUND, "Webhook endpoint not found"
    ),
    errors.DeliveryNotFound: Problem(
        "webhook_delivery_not_found", HTTPStatus.NOT_FOUND, "Webhook delivery not found"
    ),
    errors.DeliveryBusy: Problem(
        "webhook_delivery_busy", HTTPStatus.CONFLICT, "The webhook delivery is being sent now"
    ),
    errors.WebhookSecretMissing: Problem(
        "webhook_secret_missing", HTTPStatus.CONFLICT, "The API key has no webhook secret"
    ),
    errors.ScheduleNotFound: Problem("schedule_not_found", HTTPStatus.NOT_FOUND, "Report schedule not found"),
    errors.ServiceLevelNotFound: Problem(
        "service_level_not_found", HTTPStatus.NOT_FOUND, "Service level not found"
    ),
    errors.AlertRuleNotFound: Problem("alert_rule_not_found", HTTPStatus.NOT_FOUND, "Alert rule not found"),
    errors.IncidentNotFound: Problem("incident_not_found", HTTPStatus.NOT_FOUND, "Incident not found"),
    errors.IncidentHasEnded: Problem("incident_ended", HTTPStatus.CONFLICT, "The incident has ended"),
    errors.ChannelNotFound: Problem("channel_not_found", HTTPStatus.NOT_FOUND, "Channel not found"),
    errors.ClosureNotFound: Problem("closure_not_found", HTTPStatus.NOT_FOUND, "Closure not found"),
    errors.CalendarNotFound: Problem("calendar_not_found", HTTPStatus.NOT_FOUND, "Calendar not found"),
    errors.HookNotFound: Problem("hook_not_found", HTTPStatus.NOT_FOUND, "Hook not found"),
    errors.SignatureInvalid: Problem(
        "signature_invalid", HTTPStatus.UNAUTHORIZED, "The call of the hook is not signed as it must be"
    ),
    errors.ReasonNotFound: Problem("reason_not_found", HTTPStatus.NOT_FOUND, "Reason not found"),
    errors.ClosureExists: Problem(
        "closure_exists", HTTPStatus.CONFLICT, "There is already a closure with this start"
    ),
    errors.KeyNotFound: Problem("key_not_found", HTTPStatus.NOT_FOUND, "API key not found"),
    errors.KeyReplaced: Problem("key_replaced", HTTPStatus.CONFLICT, "The API key was already rotated"),
    errors.StatementTimedOut: Problem(
        "timed_out", HTTPStatus.SERVICE_UNAVAILABLE, "The database did not answer in time"
    ),
    errors.InfrastructureError: Problem(
        "unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "A required server is unavailable"
    ),
}
NOT_FOUND = Problem("not_found", HTTPStatus.NOT_FOUND, "Nothing exists at this path")
BAD_REQUEST = Problem("bad_request", HTTPStatus.BAD_REQUEST, "The request cannot be parsed")
TOO_DEEP = Problem("too_deep", HTTPStatus.BAD_REQUEST, "The JSON is nested too deeply")
INTERNAL = Problem("internal", HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error")
BODY_TOO_SLOW = Problem("body_too_slow", HTTPStatus.REQUEST_TIMEOUT, "The request body arrives too slowly")
UNKNOWN_HOST = Problem("unknown_host", HTTPStatus.BAD_REQUEST, "The Host header names an unknown host")
# What the framework refuses before it reaches a route, by status.
FRAMEWORK_PROBLEMS = {
    problem.status: problem
    for problem in (
        BAD_REQUEST,
        NOT_FOUND,
        Problem("method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, "The path does not support this method"),
        PROBLEMS[errors.BodyTooLarge],
        BODY_TOO_SLOW,
    )
}
REGISTRY: Sequence[Problem] = sorted(
    {*PROBLEMS.values(), *FRAMEWORK_PROBLEMS.values(), UNKNOWN_HOST, TOO_DEEP, INTERNAL},
    key=lambda problem: problem.code,
)


class ProblemResponse(JSONResponse):
    """An error answer. It may quote the request, so it escapes unsendable text and hides API keys."""

    media_type = "application/problem+json"

    def render(self, content: Any) -> bytes:
        """Encode."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return redacted(text).encode("utf-8", "backslashreplace")


def problem_response(
    problem: Problem, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> ProblemResponse:
    """Build a problem+json answer; `members` are extension members."""
    body = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        **members,
    }
    return ProblemResponse(body, problem.status, headers)


def early_response(
    scope: Mapping[str, Any],
    problem: Problem,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> ProblemResponse:
    """Build the answer of a middleware, which has the ASGI scope of the request."""
    request_id = scope.get("state", {}).get("request_id", "")
    return problem_response(problem, detail, headers=headers, request_id=request_id, **members)


def errors_reference() -> str:
    """Return the page `docs/reference/errors.md`: every code with its status and meaning."""
    rows = [f"| `{problem.code}` | {int(problem.status)} | {problem.title}. |" for problem in REGISTRY]
    return "\n".join(
        [
            "# Errors",
            "",
            "Every error is `application/problem+json` (RFC 9457). Its `type` is `urn:uptill:error:` plus the code. Answers",
            "with status 429 or 503 have a `Retry-After` header. If a part of the request is wrong, the list `errors` has each",
            "as `field` and `message`, and `field` is that of the first: a place (`body`, `query`, `path` or `header`), then the",
            "names, such as `body.observations.0.status`. In an iCalendar file it is the line, such as `line 3`.",
            "",
            "| code | status | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )
