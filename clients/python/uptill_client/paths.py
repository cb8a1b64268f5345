"""Paths of calls: a value from a user is one segment of the path, whatever its characters are."""

from urllib.parse import quote


def encode_segment(value: str) -> str:
    """Return a value percent-encoded. `.` and `..`, which clients resolve, and `/` lead to no other path."""
    encoded = quote(value, safe="")
    return encoded.replace(".", "%2E") if encoded in {".", ".."} else encoded
