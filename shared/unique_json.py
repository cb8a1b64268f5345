"""JSON whose objects name each member once: of two members with one name a parser would silently drop the first."""

import json
from collections import Counter
from typing import Any, Final

from shared.json_numbers import WrittenFloat

REPEATED: Final = "is given twice in one object"
NOT_A_VALUE: Final = "is not a JSON value"
NOT_UTF8: Final = "is not UTF-8"
_SHOWN: Final = 50
_SPACE: Final = frozenset(" \t\n\r")


class RefusedJson(json.JSONDecodeError):
    """JSON that Python's parser would take. It has no position, so its text names none."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "", 0)

    def __str__(self) -> str:
        return self.msg


def load_unique(body: bytes) -> Any:
    """Parse JSON; numbers with a point, an exponent or thousands of digits are `WrittenFloat`.

    Raises json.JSONDecodeError that names a member given twice, or says what is not JSON or not UTF-8.
    """
    return _DECODER.decode(decode_json(body))


def find_member(body: bytes, name: str) -> bytes:
    """Return a member of the object, as it is written, in UTF-8. `body` must be valid JSON with this member."""
    text = decode_json(body)
    found, end = "", text.index("{")
    while found != name:
        # Behind the brace, or behind the comma after the member before.
        found, end = _DECODER.raw_decode(text, _skip_space(text, _skip_space(text, end) + 1))
        start = _skip_space(text, _skip_space(text, end) + 1)
        _, end = _DECODER.raw_decode(text, start)
    return text[start:end].encode("utf-8", "surrogatepass")


def decode_json(body: bytes) -> str:
    """Return the text of JSON. Raise json.JSONDecodeError if it is not UTF-8."""
    try:
        return body.decode(json.detect_encoding(body), "surrogatepass")
    except UnicodeDecodeError as error:
        raise RefusedJson(
            f"the text {NOT_UTF8}, because of the byte {body[error.start]:#04x} at position {error.start:,}: write JSON in UTF-8"
        ) from None


def _skip_space(text: str, start: int) -> int:
    while text[start] in _SPACE:
        start += 1
    return start


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # Counted in one pass: a body may have 100,000 names.
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise RefusedJson(f"the name {twice[:_SHOWN]!r} {REPEATED}: give it once")
    return members


def _refuse_constant(text: str) -> float:
    """Refuse NaN and the infinities, which Python's parser would take."""
    raise RefusedJson(f"{text} {NOT_A_VALUE}; write null or leave it out")


def _read_whole(text: str) -> int | WrittenFloat:
    try:
        return int(text)
    except ValueError:  # more digits than Python reads
        return WrittenFloat(text)


# Made once: making one takes as long as a small body.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_refuse_repeats,
    parse_constant=_refuse_constant,
    parse_float=WrittenFloat,
    parse_int=_read_whole,
)
