"""What a call of a hook must be, and how its headers are read. A trial of a sample keeps to the same terms."""

from collections.abc import Mapping, Sequence
from typing import Final

from shared.errors import UnsupportedMediaType

MAX_HOOK_BYTES: Final = 1 << 20


def require_json(media_type: str) -> None:
    """Raise `UnsupportedMediaType` for a body that is not declared as JSON."""
    is_json = media_type.startswith("application/") and media_type.endswith("+json")
    if media_type != "application/json" and not is_json:
        raise UnsupportedMediaType(
            "the body is not declared as JSON: send JSON with Content-Type: application/json"
        )


def read_headers(raw: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Return the values by name. A header that was sent several times has its first value.

    Signatures are not checked with these texts, but with the bytes.
    """
    return {name.decode("latin-1"): read_value(value) for name, value in reversed(raw)}


def read_value(value: bytes) -> str:
    """Return the text of a header's value: UTF-8 as senders write it, or else Latin-1, which all bytes are."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
