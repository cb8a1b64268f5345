"""Shorten secrets that callers put in the wrong place, such as a key in a path."""

import re

_SECRET = re.compile(r"(upt_[a-z0-9]{8}_|whsec_)[A-Za-z0-9_+/=-]{8,}")
_MARKS = ("upt_", "whsec_")


def redacted(text: str) -> str:
    """Return the text with API keys cut to their public part and webhook secrets to their prefix."""
    return _SECRET.sub(r"\1…", text) if any(mark in text for mark in _MARKS) else text
