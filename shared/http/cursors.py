"""Opaque page cursors: the last row of a page, encoded."""

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from shared.errors import InvalidRequest
from shared.texts import storable

Row = TypeVar("Row")


def id_cursor(position: UUID) -> str:
    """Return the cursor for the rows after this id."""
    return _encode_cursor(position.bytes)


def read_id_cursor(cursor: str | None) -> UUID | None:
    """Decode an id cursor. Raises `InvalidRequest` if it is malformed."""
    try:
        return None if cursor is None else UUID(bytes=_decode_cursor(cursor))
    except ValueError:
        raise invalid_cursor() from None


def text_cursor(position: str) -> str:
    """Return the cursor for the rows after this text."""
    return _encode_cursor(position.encode())


def read_text_cursor(cursor: str | None) -> str | None:
    """Decode a text cursor. Raises `InvalidRequest` if it is malformed."""
    try:
        return None if cursor is None else storable(_decode_cursor(cursor).decode())
    except ValueError:
        raise invalid_cursor() from None


def cut_page(found: Sequence[Row], limit: int) -> tuple[Sequence[Row], Row | None]:
    """Of up to `limit + 1` rows the page, and its last row if there are more after it."""
    page = found[:limit]
    return page, page[-1] if len(found) > limit else None


def _encode_cursor(position: bytes) -> str:
    return base64.urlsafe_b64encode(position).decode()


def _decode_cursor(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(cursor) from error


def invalid_cursor() -> InvalidRequest:
    """Return the error for a malformed cursor."""
    return InvalidRequest(
        'invalid cursor: pass the "next" value of the previous page unchanged', field="query.cursor"
    )
