"""A form with files, passed on as it arrives: only its first field is read here, which is the token that forms carry."""

import re
from collections.abc import AsyncIterator
from typing import Final

from fastapi import Request

from services.api.ingest_calls import Upload, with_first
from services.api.web.forms import FORM_FIELD, is_from_this_page
from shared.errors import ForbiddenError, InvalidRequest, UnsupportedMediaType

_FORM: Final = "multipart/form-data"
_BOUNDARY = re.compile(r'boundary="?([0-9A-Za-z\'()+_,./:=?-]{1,70})"?\s*$')
_MOST_BEFORE_FILES: Final = 4096


async def read_upload(request: Request) -> Upload:
    """Return the form without its token. Raises `ForbiddenError` for a form that this page did not make."""
    media_type = request.headers.get("content-type", "")
    found = _BOUNDARY.search(media_type)
    if not media_type.lower().startswith(_FORM) or found is None:
        raise UnsupportedMediaType(f"the body is not a form with files: send it as {_FORM}")
    blocks = request.stream()
    token, rest, taken = await _cut_first_field(blocks, found[1].encode())
    if not is_from_this_page(request, token):
        raise ForbiddenError(
            "this form did not come from this page, or it is too old: load the page again and repeat"
        )
    announced = request.headers.get("content-length", "")
    length = int(announced) - taken if announced.isdecimal() else None
    return Upload(media_type, length, with_first(rest, blocks))


async def _cut_first_field(blocks: AsyncIterator[bytes], boundary: bytes) -> tuple[str, bytes, int]:
    """Return the token, what follows its field as far as it has come, and how many bytes were cut off."""
    start, end = b"--" + boundary + b"\r\n", b"\r\n--" + boundary
    came = b""
    while (at := came.find(end)) < 0 or len(came) < at + len(end):
        block = await anext(blocks, b"")
        came += block
        if not block or len(came) > _MOST_BEFORE_FILES + len(block):
            break
    header, _, token = came[len(start) : max(at, 0)].partition(b"\r\n\r\n")
    if at < 0 or at > _MOST_BEFORE_FILES or not came.startswith(start) or b"filename" in header:
        raise InvalidRequest(f"the form's first field is not {FORM_FIELD}: load the page again", field="body")
    is_token = f'name="{FORM_FIELD}"'.encode() in header
    taken = at + len(b"\r\n")
    return (token.decode("ascii", "replace") if is_token else ""), came[taken:], taken
