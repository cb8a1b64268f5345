"""Reads a JSON body: of the right type, within a limit, checked as a whole. What is wrong is named by its field."""

from typing import TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from shared.errors import BodyTooLarge, UnsupportedMediaType

T = TypeVar("T")
_SHOWN_ERRORS = 20
_LENGTH_DIGITS = 19  # of 64 bits


def media_type(request: Request) -> str:
    """The body's type without parameters, in lower case; empty when none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def refuse_longer(request: Request, limit_bytes: int) -> None:
    """Refuse by the announced length, before anything is read. Raises `BodyTooLarge`."""
    if announced_bytes(request) > limit_bytes:
        raise too_large(limit_bytes)


def announced_bytes(request: Request) -> int:
    """Return what the sender says the body's length is; 0 if it does not say."""
    announced = request.headers.get("content-length", "0")
    return int(announced) if announced.isdigit() and len(announced) < _LENGTH_DIGITS else 0


def too_large(limit_bytes: int) -> BodyTooLarge:
    """The error that names the limit."""
    return BodyTooLarge(f"the body is longer than {limit_bytes:,} bytes")


async def read_json(request: Request, adapter: TypeAdapter[T], *, limit_bytes: int) -> T:
    """The body as the adapter's type.

    Raises `UnsupportedMediaType`, `BodyTooLarge`, and RequestValidationError for what cannot be read or is not valid.
    """
    if media_type(request) != "application/json":
        raise UnsupportedMediaType("send JSON, with Content-Type: application/json")
    refuse_longer(request, limit_bytes)
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > limit_bytes:
            raise too_large(limit_bytes)
    try:
        return adapter.validate_json(bytes(body))
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError(
            [{**item, "loc": ("body", *item["loc"])} for item in found[:_SHOWN_ERRORS]]
        ) from None
