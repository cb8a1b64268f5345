"""Build each service's OpenAPI 3.1 document, with the required scope and the possible errors of every route."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from shared import errors
from shared.http.demands import callers_of
from shared.http.examples import example_of
from shared.http.problems import BAD_REQUEST, BODY_TOO_SLOW, NOT_FOUND, PROBLEMS, Problem

REF_TEMPLATE = "#/components/schemas/{model}"  # for schemas that a route describes itself
_MEDIA_TYPE = "application/problem+json"
_SECURITY = {
    "ApiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, `upt_…`. The header `X-API-Key` works too.",
    }
}
_HEADERS: Mapping[str, dict[str, Any]] = {
    "Location": {"description": "The path of the resource.", "schema": {"type": "string"}},
    "Quota": {
        "description": "How many more of these the key may have open now (`r`).",
        "schema": {"type": "string"},
        "example": '"open-reports";r=188',
    },
    "Quota-Policy": {
        "description": "How many of these a key may have open at the same time (`q`).",
        "schema": {"type": "string"},
        "example": '"open-reports";q=200',
    },
    "RateLimit": {
        "description": "How many calls of this kind the key has left (`r`) for the next `t` seconds.",
        "schema": {"type": "string"},
        "example": '"read";r=949;t=1',
    },
    "RateLimit-Policy": {
        "description": "How many calls of this kind a key may make (`q`) in `w` seconds.",
        "schema": {"type": "string"},
        "example": '"read";q=1000;w=1',
    },
    "Retry-After": {
        "description": "Seconds to wait before the next request.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 1,
    },
}
_SUMMARY = re.compile(r"[.:;](?:\s|$)")  # the summary of a route ends at the first of these in its docstring
_NOT_COUNTED, _COME_AGAIN, _ELSEWHERE = {"401", "403"}, {"429", "503"}, {"302"}
_PROBLEM_SCHEMA = {
    "title": "Problem",
    "description": "An error, as defined by RFC 9457. docs/reference/errors.md lists the codes.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "pattern": "^urn:uptill:error:[a-z_]+$",
            "description": "Identifies the kind of error. Programs should compare this, not the texts.",
        },
        "title": {"type": "string", "description": "The kind of error in words."},
        "status": {"type": "integer", "description": "The HTTP status code."},
        "detail": {"type": "string", "description": "What is wrong with this request, why, and what to do."},
        "request_id": {"type": "string", "description": "The value of `X-Request-Id`, also in the log."},
        "field": {"type": "string", "description": "The parameter or field that is wrong."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def answers(*kinds: type[errors.UptillError]) -> dict[int | str, dict[str, Any]]:
    """Return `responses=` for the errors of one route. Errors implied by its scope and parameters are added later."""
    return {
        int(status): _make_answer(problems)
        for status, problems in _by_status([PROBLEMS[kind] for kind in kinds]).items()
    }


def with_headers(status: HTTPStatus | int, *names: str) -> dict[int | str, dict[str, Any]]:
    """Return `responses=` for the headers of one answer of a route."""
    return {int(status): {"headers": _refer_headers(*names)}}


def describe(app: FastAPI) -> None:
    """Make the application build its OpenAPI document here."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _make_document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation has it


def scopes_of(dependant: Dependant) -> Sequence[str]:
    """Return the scopes that open a route, each by itself; none if it is public."""
    return next((caller.scopes for caller in callers_of(dependant)), ())


def _make_document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM_SCHEMA
    components["securitySchemes"] = _SECURITY
    components["headers"] = dict(_HEADERS)
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            operations = document["paths"].get(route.path_format, {})
            for method in (route.methods or set()) & {name.upper() for name in operations}:
                _complete_operation(operations[method.lower()], scopes_of(route.dependant))
                _show_examples(operations[method.lower()], schemas)
    return document


def _complete_operation(operation: dict[str, Any], scopes: Sequence[str]) -> None:
    """Add the required scopes to an operation, and the errors common to all operations like it."""
    parameters, body = operation.get("parameters", []), operation.get("requestBody")
    possible: list[Problem] = []
    if scopes:
        operation["security"] = [{"ApiKey": [scope]} for scope in scopes]
        possible += [
            PROBLEMS[kind] for kind in (errors.AuthenticationError, errors.ForbiddenError, errors.RateLimited)
        ]
        # An unknown parameter is refused everywhere.
        possible += [PROBLEMS[errors.InfrastructureError], PROBLEMS[errors.InvalidRequest]]
    elif any(parameter["in"] != "path" for parameter in parameters):
        possible.append(PROBLEMS[errors.InvalidRequest])
    if any(parameter["in"] == "path" for parameter in parameters):
        possible += [NOT_FOUND, BAD_REQUEST]
    if _MEDIA_TYPE not in operation["responses"].get("422", {}).get("content", {}):
        operation["responses"].pop("422", None)  # the framework's own
    if body is not None:
        possible += [BAD_REQUEST, BODY_TOO_SLOW] if BAD_REQUEST not in possible else [BODY_TOO_SLOW]
        possible += [PROBLEMS[errors.BodyTooLarge], PROBLEMS[errors.UnsupportedMediaType]]
    for status, problems in _by_status(possible).items():
        known = operation["responses"].get(str(int(status)))
        operation["responses"][str(int(status))] = (
            _merge_answers(known, _make_answer(problems)) if known else _make_answer(problems)
        )
    operation["responses"] = dict(sorted(operation["responses"].items()))
    operation["summary"] = _SUMMARY.split(operation["description"], maxsplit=1)[0]
    for code, response in operation["responses"].items():
        names = ["Location"] if code in _ELSEWHERE else []
        if scopes:
            names += ["Retry-After"] if code in _COME_AGAIN else []
            names += ["RateLimit", "RateLimit-Policy"] if code not in _NOT_COUNTED else []
        if names:
            response.setdefault("headers", {}).update(_refer_headers(*names))


def _refer_headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _show_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Add an example to each JSON body and answer; move inline definitions to the shared schemas."""
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        if (media := holder.get("content", {}).get("application/json")) is not None:
            schemas.update(media["schema"].pop("$defs", {}))
            media.setdefault("example", example_of(media["schema"], schemas))


def _by_status(problems: Sequence[Problem]) -> Mapping[HTTPStatus, Sequence[Problem]]:
    return {
        status: [problem for problem in problems if problem.status == status]
        for status in sorted({problem.status for problem in problems})
    }


def _make_answer(problems: Sequence[Problem]) -> dict[str, Any]:
    return {
        "description": "; ".join(problem.title for problem in problems),
        "content": {
            _MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {
                    problem.code: {
                        "value": {
                            "type": problem.type,
                            "title": problem.title,
                            "status": int(problem.status),
                            "detail": "…",
                        }
                    }
                    for problem in problems
                },
            }
        },
    }


def _merge_answers(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Merge the answers of one status: the route's own and the general one."""
    content = {**other["content"], **one.get("content", {})}
    if _MEDIA_TYPE in one.get("content", {}):
        examples = {
            **one["content"][_MEDIA_TYPE].get("examples", {}),
            **other["content"][_MEDIA_TYPE]["examples"],
        }
        content[_MEDIA_TYPE] = {**other["content"][_MEDIA_TYPE], "examples": examples}
    return {"description": f"{one['description']}; {other['description']}", "content": content}
