"""Opaque cursors of pages: where a page ended, encoded so that nobody takes it for anything else."""

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from shared.errors import InvalidRequest
from shared.texts import storable

Row = TypeVar("Row")


def id_cursor(position: UUID) -> str:
    """The cursor of the rows after this id."""
    return _encode(position.bytes)


def read_id_cursor(cursor: str | None) -> UUID | None:
    """The id that a cursor holds. Raises `InvalidRequest` for what no page gave."""
    try:
        return None if cursor is None else UUID(bytes=_decode(cursor))
    except ValueError:
        raise invalid_cursor() from None


def text_cursor(position: str) -> str:
    """The cursor of the rows after this text."""
    return _encode(position.encode())


def read_text_cursor(cursor: str | None) -> str | None:
    """The text that a cursor holds. Raises `InvalidRequest` for what no page gave."""
    try:
        return None if cursor is None else storable(_decode(cursor).decode())
    except ValueError:
        raise invalid_cursor() from None


def cut_page(found: Sequence[Row], limit: int) -> tuple[Sequence[Row], Row | None]:
    """Of up to `limit + 1` rows the page, and its last row if there are more after it."""
    page = found[:limit]
    return page, page[-1] if len(found) > limit else None


def _encode(position: bytes) -> str:
    return base64.urlsafe_b64encode(position).decode()


def _decode(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(cursor) from error


def invalid_cursor() -> InvalidRequest:
    """Return the error of every list."""
    return InvalidRequest(
        'invalid cursor: pass the "next" value of the previous page unchanged', field="query.cursor"
    )
