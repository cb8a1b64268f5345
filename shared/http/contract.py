"""What a service says about itself: OpenAPI 3.1 with who may call each route and every error that it may answer."""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from shared import errors
from shared.http.auth import callers_of
from shared.http.examples import example_of
from shared.http.problems import BAD_REQUEST, BODY_TOO_SLOW, NOT_FOUND, PROBLEMS, Problem

REF_TEMPLATE = "#/components/schemas/{model}"  # for schemas that a route describes itself
_MEDIA_TYPE = "application/problem+json"
_SECURITY = {
    "ApiKey": {"type": "http", "scheme": "bearer", "description": "`upt_…`; `X-API-Key` is taken too."}
}
_HEADERS: Mapping[str, dict[str, Any]] = {
    "Location": {"description": "Where the resource is.", "schema": {"type": "string"}},
    "Quota": {
        "description": "What the key may still open of this kind, `r`, beside what it has open.",
        "schema": {"type": "string"},
        "example": '"open-reports";r=188',
    },
    "Quota-Policy": {
        "description": "What a key may have open of this kind at a time, `q`.",
        "schema": {"type": "string"},
        "example": '"open-reports";q=200',
    },
    "RateLimit": {
        "description": "Calls of this kind that the key has left, `r`, for `t` more seconds.",
        "schema": {"type": "string"},
        "example": '"read";r=949;t=1',
    },
    "RateLimit-Policy": {
        "description": "Calls of this kind that a key has, `q`, in each `w` seconds.",
        "schema": {"type": "string"},
        "example": '"read";q=1000;w=1',
    },
    "Retry-After": {
        "description": "Seconds until it is worth to ask again.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 1,
    },
}
_SUMMARY = re.compile(r"[.:;](?:\s|$)")  # ends it: what a route does is the beginning of its docstring
_NOT_COUNTED, _COME_AGAIN, _ELSEWHERE = {"401", "403"}, {"429", "503"}, {"302"}
_PROBLEM_SCHEMA = {
    "title": "Problem",
    "description": "Every error, as RFC 9457 has it; the codes are in docs/reference/errors.md.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:uptill:error:[a-z_]+$"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string", "description": "As in `X-Request-Id` and in the log."},
        "field": {"type": "string", "description": "The parameter that is wrong."},
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
    """What a route gives as `responses=`: errors of its own, beside those that its parameters and its scope bring."""
    return {
        int(status): _answer(problems)
        for status, problems in _by_status([PROBLEMS[kind] for kind in kinds]).items()
    }


def with_headers(status: HTTPStatus | int, *names: str) -> dict[int | str, dict[str, Any]]:
    """What a route gives as `responses=`: headers of an answer of its own."""
    return {int(status): {"headers": _headers(*names)}}


def describe(app: FastAPI) -> None:
    """Let `/openapi.json` tell all of this."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation has it


def scopes_of(dependant: Dependant) -> Iterator[str]:
    """The scopes that a route asks for."""
    return (caller.scope for caller in callers_of(dependant))


def _document(app: FastAPI) -> dict[str, Any]:
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
            operations = document["paths"].get(str(route.path).replace(":path}", "}"), {})
            for method in (route.methods or set()) & {name.upper() for name in operations}:
                _complete(operations[method.lower()], next(scopes_of(route.dependant), None))
                _show_examples(operations[method.lower()], schemas)
    return document


def _complete(operation: dict[str, Any], scope: str | None) -> None:
    """Add to an operation who may call it, and the errors that any operation of its kind has."""
    parameters, body = operation.get("parameters", []), operation.get("requestBody")
    possible: list[Problem] = []
    if scope is not None:
        operation["security"] = [{"ApiKey": [scope]}]
        possible += [
            PROBLEMS[kind] for kind in (errors.AuthenticationError, errors.ForbiddenError, errors.RateLimited)
        ]
        possible.append(PROBLEMS[errors.InfrastructureError])
    if any(parameter["in"] == "path" for parameter in parameters):
        possible.append(NOT_FOUND)
    operation["responses"].pop("422", None)
    if body is not None or any(parameter["in"] != "path" for parameter in parameters):
        possible.append(PROBLEMS[errors.InvalidRequest])
    if body is not None:
        possible += [BAD_REQUEST, BODY_TOO_SLOW]
        possible += [PROBLEMS[errors.BodyTooLarge], PROBLEMS[errors.UnsupportedMediaType]]
    for status, problems in _by_status(possible).items():
        known = operation["responses"].get(str(int(status)))
        operation["responses"][str(int(status))] = (
            _merged(known, _answer(problems)) if known else _answer(problems)
        )
    operation["responses"] = dict(sorted(operation["responses"].items()))
    operation["summary"] = _SUMMARY.split(operation["description"], maxsplit=1)[0]
    for code, response in operation["responses"].items():
        names = ["Location"] if code in _ELSEWHERE else []
        if scope is not None:
            names += ["Retry-After"] if code in _COME_AGAIN else []
            names += ["RateLimit", "RateLimit-Policy"] if code not in _NOT_COUNTED else []
        if names:
            response.setdefault("headers", {}).update(_headers(*names))


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _show_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Of what comes and goes as JSON; definitions that a schema brought along join the others."""
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        if (media := holder.get("content", {}).get("application/json")) is not None:
            schemas.update(media["schema"].pop("$defs", {}))
            media.setdefault("example", example_of(media["schema"], schemas))


def _by_status(problems: Sequence[Problem]) -> Mapping[HTTPStatus, Sequence[Problem]]:
    return {
        status: [problem for problem in problems if problem.status == status]
        for status in sorted({problem.status for problem in problems})
    }


def _answer(problems: Sequence[Problem]) -> dict[str, Any]:
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


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Both, of one status: a route's own and the general ones."""
    content = {**other["content"], **one.get("content", {})}
    if _MEDIA_TYPE in one.get("content", {}):
        examples = {
            **one["content"][_MEDIA_TYPE].get("examples", {}),
            **other["content"][_MEDIA_TYPE]["examples"],
        }
        content[_MEDIA_TYPE] = {**other["content"][_MEDIA_TYPE], "examples": examples}
    return {"description": f"{one['description']}; {other['description']}", "content": content}
