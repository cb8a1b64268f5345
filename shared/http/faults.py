"""Messages for invalid fields of a request: what is wrong, with the value, and what to send instead."""

import json
from collections.abc import Mapping, Sized
from typing import Any, Final

from shared.json_numbers import WrittenFloat
from shared.unique_json import NOT_A_VALUE, NOT_UTF8, REPEATED

_SHOWN_CHARACTERS = 60
_TIME = "a time with its offset, such as 2024-10-14T18:00:00Z"
_DATE = "a date such as 2026-10-31"
_MUST_BE = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "date_from_datetime_parsing": _DATE,
    "date_parsing": _DATE,
    "date_type": _DATE,
    "datetime_from_date_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "datetime_parsing": _TIME,
    "datetime_type": _TIME,
    "dict_type": "a JSON object",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "a JSON object",
    "model_type": "a JSON object",
    "string_type": "a string",
    "timezone_aware": _TIME,
    "uuid_parsing": "a UUID",
    "uuid_type": "a UUID",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
# The forms of texts, by the pattern in the schema.
TEXT_FORMS: Final[Mapping[str, str]] = {
    r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$": "the name of a header: 1 to 100 letters, digits and characters of !#$%&'*+-.^_`|~",
    r"^[!-~]+$": "printable ASCII characters without spaces",
    r"^[^\x00]*$": "text without NUL",
    r"^[^\x00-\x1f]+$": "text without control characters",
    r"^([01]\d|2[0-3]):[0-5]\d$": "a time of day such as 22:00",
    "^[a-z0-9][a-z0-9._-]{0,62}$": "a name of 1 to 63 lower-case letters, digits and characters of ._-, beginning with a letter or a digit",
    "^[a-z0-9]{8}$": "the public id of a key: 8 lower-case letters and digits",
    "^[a-z._]{1,40}$": "an action as the audit log has it, such as key.used",
    "^[a-z0-9]{1,20}$": "an actor as the audit log has it: the public id of a key, or another name of at most 20 lower-case letters and digits",
}
_SECRETS = frozenset({"secret"})  # fields whose value no answer shows
_LENGTHS = {
    "string_too_long": ("at most", "max_length", "characters"),
    "string_too_short": ("at least", "min_length", "characters"),
    "too_long": ("at most", "max_length", "items"),
    "too_short": ("at least", "min_length", "items"),
}


def fault(item: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the `field` and the `message` of one of pydantic's errors."""
    if item.get("type") == "json_invalid":
        if any(own in item["ctx"]["error"] for own in (REPEATED, NOT_A_VALUE, NOT_UTF8)):
            return {"field": "body", "message": item["ctx"]["error"]}
        place = item["loc"][-1] if item["loc"] else None
        where = f" at character {place}" if isinstance(place, int) else ""
        # Python's parser ends some of its messages with "at".
        what = item["ctx"]["error"].removesuffix(" at")
        return {"field": "body", "message": f"invalid JSON: {what}{where}"}
    # pydantic marks a name of an object that is wrong, instead of its value.
    names = [str(part) for part in item["loc"] if part != "[key]"]
    return {"field": ".".join(names), "message": _make_message(item)}


def _make_message(item: Mapping[str, Any]) -> str:
    kind, context = item.get("type"), item.get("ctx", {})
    given = f", not {_show_value(item['input'])}" if "input" in item else ""
    message = str(item["msg"]).removeprefix("Value error, ")
    match kind:
        case "missing":
            message = "is missing"
        case "extra_forbidden":
            message = (
                f"unknown {'field' if item['loc'][0] == 'body' else 'parameter'}: check the name or remove it"
            )
        case "literal_error" | "enum":
            message = f"must be {context['expected']}{given}"
        case "must_be":
            message = f"must be {context['what']}{given}"
        case "string_pattern_mismatch" if context["pattern"] in TEXT_FORMS:
            shown = "" if item["loc"][-1] in _SECRETS else given
            message = f"must be {TEXT_FORMS[context['pattern']]}{shown}"
        case _ if kind in _MUST_BE:
            message = f"must be {_MUST_BE[kind]}{given}"
        case _ if kind in _BOUNDS:
            words, limit = _BOUNDS[kind]
            # A parameter comes as text.
            given = f", not {item['input']}" if isinstance(item.get("input"), str) else given
            message = f"must be {words} {context[limit]}{given}"
        case _ if kind in _LENGTHS:
            words, limit, what = _LENGTHS[f"string_{kind}" if _is_text(item) else kind]
            if words == "at least" and context[limit] == 1:
                return "must not be empty"
            has = f", not {len(item['input']):,}" if isinstance(item.get("input"), Sized) else ""
            message = f"must have {words} {context[limit]:,} {what}{has}"
    return message


def _is_text(item: Mapping[str, Any]) -> bool:
    """Return whether a length is that of a text, which pydantic measures like a list behind a validator of one's own."""
    return isinstance(item.get("input"), str) and not item["type"].startswith("string_")


def _show_value(value: object) -> str:
    """The value as JSON, cut; a list or an object only by its kind."""
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, Mapping):
        return "a JSON object"
    try:
        shown = value.text if isinstance(value, WrittenFloat) else None
        text = shown or json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # thousands of digits
        return "a number that is too long"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
