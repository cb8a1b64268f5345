"""Reads a JSON value poll by poll: slower than as a whole, but it tells which poll and which field is wrong."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.ingest.kafka.value_parts import PartFault, ValuePart
from services.ingest.parse.observation import Observation
from shared.texts import quoted

_FEWEST_TEXTS: Final = 3  # store_id, status, observed_at
_MOST_NAME: Final = 50  # shown characters of an unknown field
_REASONS: Final[Mapping[str, str]] = {"missing": "field_missing", "extra_forbidden": "field_unknown"}
_POLL: Final = TypeAdapter(Observation)
# Only places and names are used of what these read. Python's int refuses thousands of digits.
_ELEMENT: Final = json.JSONDecoder(parse_int=float)
_PAIRS: Final = json.JSONDecoder(parse_int=float, object_pairs_hook=list)
_SPACE: Final = re.compile(r"[ \t\n\r]*")


def is_list(value: bytes) -> bool:
    """Whether the value begins as a JSON array."""
    return value.lstrip().startswith(b"[")


def list_elements(value: bytes) -> Sequence[ValuePart]:
    """Return the polls of a value: the elements of a list, named by JSON Pointers from `/0` on, or the value itself.

    Raise ValueError or RecursionError if the value is not JSON.
    """
    if not is_list(value):
        return [ValuePart("", value)]
    return [ValuePart(f"/{number}", text) for number, text in enumerate(_split_list(value.decode()))]


def read_element(number: int, element: ValuePart) -> Observation | PartFault:
    """Return the poll of an element, or why it is none."""
    try:
        poll = _POLL.validate_json(element.raw)
    except ValidationError as error:
        reason, field = _describe_fault(error)
    else:
        # The parser keeps the last of several fields with one name.
        field = _find_repeated(element.raw) if element.raw.count(b'"') != count_quotes(poll) else None
        if field is None:
            return poll
        reason = "field_repeated"
    name = element.name if field is None else f"{element.name}/{_show_name(field)}"
    return PartFault(number, reason, ValuePart.of_text(name, element.raw))


def count_quotes(poll: Observation) -> int:
    """Return how many quotes the poll takes as JSON, if no text has an escape. A repeated field takes more."""
    texts = _FEWEST_TEXTS + (poll.reason is not None) + (poll.until is not None)
    return 2 * (len(poll.model_fields_set) + texts)


def _split_list(text: str) -> Sequence[bytes]:
    elements: list[bytes] = []
    at = _skip_space(text, text.index("[") + 1)
    while text[at : at + 1] != "]" or elements:
        _, end = _ELEMENT.raw_decode(text, at)
        elements.append(text[at:end].encode())
        at = _skip_space(text, end)
        if text[at : at + 1] != ",":
            break
        at = _skip_space(text, at + 1)
    if text[at : at + 1] != "]" or _skip_space(text, at + 1) != len(text):
        raise ValueError("the list does not end where the value does")
    return elements


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _describe_fault(error: ValidationError) -> tuple[str, str | None]:
    """Return the reason for rejecting, and the field at fault; None if no single field is."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if not first["loc"]:
        return "message", None
    return _REASONS.get(first["type"], "field_type"), str(first["loc"][0])


def _find_repeated(value: bytes) -> str | None:
    counts = Counter(name for name, _ in _PAIRS.decode(value.decode()))
    return next((name for name, count in counts.items() if count > 1), None)


def _show_name(field: str) -> str:
    """Return the name of a field as a step of a JSON Pointer that can be stored and shown."""
    return quoted(field[:_MOST_NAME])[1:-1].replace("~", "~0").replace("/", "~1")
