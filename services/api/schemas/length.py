"""A length of time in a query, as an ISO 8601 duration."""

from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from shared.uptime.window import Window, parse_window


def _parse_length(text: object) -> Window:
    length = parse_window(text) if isinstance(text, str) and text.startswith("P") else None
    if length is None or length.duration is None:
        raise ValueError(f"{text!r} is not a length: use an ISO 8601 duration such as PT30M")
    return length


Length = Annotated[
    Window,
    PlainValidator(_parse_length, json_schema_input_type=str),
    PlainSerializer(lambda window: window.text, return_type=str),
]
