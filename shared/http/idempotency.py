"""Refuse an Idempotency-Key that names no request: read as no key, a retry would do the work twice."""

from fastapi import Request

from shared.errors import BadHeader

_NAME = "Idempotency-Key"
_MAX_CHARACTERS = 255


def refuse_unusable_key(request: Request) -> None:
    """Raise `BadHeader` for a key that is empty, too long, or given twice."""
    keys = request.headers.getlist(_NAME)
    if len(keys) > 1:
        raise BadHeader(f"the {_NAME} is given {len(keys)} times: send one")
    if keys and not 1 <= len(keys[0].strip()) <= _MAX_CHARACTERS:
        raise BadHeader(
            f"the {_NAME} has {len(keys[0].strip())} characters: use 1 to {_MAX_CHARACTERS}, or leave the header out"
        )
