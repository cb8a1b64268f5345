"""Secrets that callers put where they do not belong, such as a key in a path: what may be shown of them."""

import re

_SECRET = re.compile(r"(upt_[a-z0-9]{8}_|whsec_)[A-Za-z0-9_+/=-]{8,}")
_MARKS = ("upt_", "whsec_")


def redacted(text: str) -> str:
    """The text with API keys cut to their public part, and webhook secrets to their kind."""
    return _SECRET.sub(r"\1…", text) if any(mark in text for mark in _MARKS) else text
