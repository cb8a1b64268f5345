"""Numbers of JSON that remember how they were written: 1.10 is not 1.1 to people, and 1e400 is beyond every float."""

import json
from collections.abc import Iterator
from typing import Self


class WrittenFloat(float):
    """A number that an integer of Python cannot hold as it is written. Its value may be infinite; `text` never says so."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Read the text of a JSON number."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __repr__(self) -> str:
        return self.text


class _Mark(str):
    """Text between values."""

    __slots__ = ()


def write_json(value: object, most: int) -> str:
    """Return a parsed value as compact JSON in ASCII, with numbers as they were written: its first `most` characters.

    It takes any depth, because it does not call itself.
    """
    parts: list[str] = []
    size, waiting = 0, [value]
    while waiting and size < most:
        found = waiting.pop()
        if isinstance(found, _Mark):
            parts.append(found)
        elif isinstance(found, dict | list):
            waiting += reversed([*_take_apart(found)])
            continue
        else:
            parts.append(found.text if isinstance(found, WrittenFloat) else json.dumps(found))
        size += len(parts[-1])
    return "".join(parts)[:most]


def _take_apart(value: dict[str, object] | list[object]) -> Iterator[object]:
    """Yield the values of an object or a list, with what stands around them."""
    is_object = isinstance(value, dict)
    yield _Mark("{" if is_object else "[")
    for place, one in enumerate(value):
        comma = "," if place else ""
        yield _Mark(f"{comma}{json.dumps(one)}:" if isinstance(value, dict) else comma)
        yield value[str(one)] if isinstance(value, dict) else one
    yield _Mark("}" if is_object else "]")
