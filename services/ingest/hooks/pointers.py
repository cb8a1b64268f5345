"""JSON Pointers (RFC 6901): parsed once, resolved in as many steps as they have."""

import re
from collections.abc import Sequence
from typing import Final

MAX_POINTER: Final = 200
_BAD_ESCAPE = re.compile(r"~(?![01])")
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)
Steps = tuple[str, ...]


class Missing:
    """The type of `MISSING`: what a pointer finds where the document has nothing."""


MISSING: Final = Missing()


def parse_pointer(text: str) -> Steps:
    """Return the steps of a pointer. Raise ValueError that says what to write."""
    if len(text) > MAX_POINTER:
        raise ValueError(f"is longer than {MAX_POINTER} characters; use a shorter pointer")
    if text and not text.startswith("/"):
        raise ValueError('is not a JSON Pointer; begin it with a slash, such as "/store/id"')
    if _BAD_ESCAPE.search(text):
        raise ValueError("has a ~ that is not part of ~0 (a tilde) or ~1 (a slash); write ~0 for a tilde")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])


def resolve(document: object, steps: Sequence[str]) -> object:
    """Return what the document has there, or `MISSING`."""
    found = document
    for step in steps:
        if isinstance(found, dict):
            found = found.get(step, MISSING)
        elif isinstance(found, list) and _INDEX.fullmatch(step) and int(step) < len(found):
            found = found[int(step)]
        else:
            return MISSING
    return found
