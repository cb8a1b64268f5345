"""Refuse an Idempotency-Key that names no request: read as no key, a retry would do the work twice."""

import unicodedata

from fastapi import Request

from shared.errors import BadHeader

_NAME = "Idempotency-Key"
_MAX_CHARACTERS = 255


def refuse_unusable_key(request: Request) -> None:
    """Raise `BadHeader` for a key that is empty, too long, given twice, not UTF-8, or has control characters."""
    keys = request.headers.getlist(_NAME)
    if len(keys) > 1:
        raise BadHeader(f"the {_NAME} is given {len(keys)} times: send one")
    if not keys:
        return
    try:
        key = decode_key(keys[0])
    except UnicodeDecodeError:
        raise BadHeader(f"the {_NAME} is not UTF-8: send it in UTF-8") from None
    if any(unicodedata.category(character) == "Cc" for character in key):
        raise BadHeader(f"the {_NAME} has a control character: send printable text")
    if not 1 <= len(key.strip()) <= _MAX_CHARACTERS:
        raise BadHeader(
            f"the {_NAME} has {len(key.strip())} characters: use 1 to {_MAX_CHARACTERS}, or leave the header out"
        )


def decode_key(key: str) -> str:
    """Return the key as its sender wrote it, from the Latin-1 that headers are read as. Raise UnicodeDecodeError."""
    return key.encode("latin-1").decode()
