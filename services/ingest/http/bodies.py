"""Reads a JSON body: checks its media type and size, and validates it as a whole. Errors name the field."""

import json
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shared.errors import BodyTooLarge, UnsupportedMediaType
from shared.http.contract import REF_TEMPLATE
from shared.unique_json import decode_json, load_unique

T = TypeVar("T")
_SHOWN_ERRORS = 20
_LENGTH_DIGITS = 19  # of 64 bits


def describe_body(model: type[BaseModel], **texts: str) -> dict[str, Any]:
    """Return `openapi_extra=` for a route that reads this body itself. `texts`: other types by name, with an example."""
    schema = model.model_json_schema(ref_template=REF_TEMPLATE)
    others = {
        f"text/{name}": {"schema": {"type": "string"}, "example": example} for name, example in texts.items()
    }
    content = {"application/json": {"schema": schema}, **others}
    return {"requestBody": {"required": True, "content": content}}


def media_type(request: Request) -> str:
    """Return the body's media type without parameters, in lower case, or an empty text if there is none."""
    return bare_media_type(request.headers.get("content-type", ""))


def bare_media_type(content_type: str) -> str:
    """Return the media type of a Content-Type, as `media_type` does."""
    return content_type.partition(";")[0].strip().lower()


def refuse_longer(request: Request, limit_bytes: int) -> None:
    """Raise `BodyTooLarge` if the announced length exceeds the limit, before anything is read."""
    if announced_bytes(request) > limit_bytes:
        raise BodyTooLarge(limit_bytes)


def announced_bytes(request: Request) -> int:
    """Return the length that the sender announced, or 0."""
    announced = request.headers.get("content-length", "0")
    return int(announced) if announced.isdigit() and len(announced) < _LENGTH_DIGITS else 0


async def read_bytes(request: Request, *, limit_bytes: int) -> bytes:
    """Return the whole body. Raise `BodyTooLarge`."""
    refuse_longer(request, limit_bytes)
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > limit_bytes:
            raise BodyTooLarge(limit_bytes)
    return bytes(body)


async def read_document(request: Request, *, limit_bytes: int) -> bytes:
    """Return the whole body, which is declared as JSON. Raise `UnsupportedMediaType` and `BodyTooLarge`."""
    if media_type(request) != "application/json":
        raise UnsupportedMediaType(
            "the body is not declared as JSON: send JSON with Content-Type: application/json"
        )
    return await read_bytes(request, limit_bytes=limit_bytes)


async def read_json(request: Request, adapter: TypeAdapter[T], *, limit_bytes: int) -> T:
    """Return the body as the adapter's type.

    Raise `UnsupportedMediaType`, `BodyTooLarge`, and RequestValidationError if the body is not valid.
    """
    body = await read_document(request, limit_bytes=limit_bytes)
    try:
        valid = adapter.validate_json(body)
        load_json(body)  # the parser above keeps the last of several members with one name
    except ValidationError as error:
        _refuse_not_utf8(body)  # the parser above says only that it expected something else
        raise refuse_body(error, body) from None
    return valid


def refuse_body(error: ValidationError, body: bytes | None = None) -> RequestValidationError:
    """Return the error of a body that is not what it must be. With the `body`, numbers are shown as they were sent."""
    found = error.errors(include_url=False)[:_SHOWN_ERRORS]
    if body is not None and any(isinstance(item["input"], float) for item in found):
        document = load_json(body)
        found = [{**item, "input": _find_sent(document, item)} for item in found]
    return RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in found])


def load_json(body: bytes) -> Any:
    """Parse JSON as `load_unique` does. Raise RequestValidationError, and RecursionError if it is nested too deeply."""
    try:
        return load_unique(body)
    except json.JSONDecodeError as error:
        raise _refuse_json(error) from None


def _refuse_not_utf8(body: bytes) -> None:
    try:
        decode_json(body)
    except json.JSONDecodeError as error:
        raise _refuse_json(error) from None


def _refuse_json(error: json.JSONDecodeError) -> RequestValidationError:
    at = ("body", error.pos)
    return RequestValidationError(
        [{"type": "json_invalid", "loc": at, "msg": error.msg, "ctx": {"error": error.msg}}]
    )


def _find_sent(document: Any, item: ErrorDetails) -> Any:
    """Return what the document has where a field is wrong, or the parsed value if that place is not in it."""
    sent = document
    for step in item["loc"]:
        try:
            sent = sent[step]
        except (KeyError, IndexError, TypeError):
            return item["input"]
    return sent
