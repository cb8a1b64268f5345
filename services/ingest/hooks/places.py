"""Where a mapping finds a value: in the item, in the whole payload, in a header, or in the mapping itself."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from services.ingest.hooks.pointers import MISSING, Steps, parse_pointer, resolve

RECEIVED: Final = "received"
MAX_TEXT: Final = 200
HEADER_NAME: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}"
HEADER_RULE: Final = "1 to 100 letters, digits and characters of !#$%&'*+-.^_`|~"
_HEADER = re.compile(HEADER_NAME, re.ASCII)
PLACE_RULE: Final = 'write a JSON Pointer such as "/store/id", the same after ^ for the whole payload, "header:NAME", or "=TEXT"'


@dataclass(frozen=True)
class HookPayload:
    """A call's document and headers (names in lower case), and when it arrived, in microseconds since 1970."""

    document: object
    headers: Mapping[str, str]
    received_us: int


@dataclass(frozen=True)
class Place:
    """One place of a value."""

    kind: Literal["item", "payload", "header", "constant", "received"]
    steps: Steps = ()
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the place. Raise ValueError that says what to write."""
        if text == RECEIVED:
            return cls("received")
        if text.startswith("="):
            if len(text) > MAX_TEXT:
                raise ValueError(f"is longer than {MAX_TEXT} characters; use a shorter text")
            return cls("constant", text=text[1:])
        kind, colon, name = text.partition(":")
        if colon and kind == "header":
            if not is_header_name(name):
                raise ValueError("does not name a header; write header:NAME, such as header:ce-time")
            return cls("header", text=name.lower())
        if text.startswith("^"):
            return cls("payload", parse_pointer(text[1:]))
        if not text.startswith("/"):
            raise ValueError(f"is not a place of a value; {PLACE_RULE}")
        return cls("item", parse_pointer(text))

    def read(self, item: object, payload: HookPayload) -> object:
        """Return the value, or `MISSING`."""
        match self.kind:
            case "item":
                return resolve(item, self.steps)
            case "payload":
                return resolve(payload.document, self.steps)
            case "header":
                return payload.headers.get(self.text, MISSING)
            case "constant":
                return self.text
            case "received":
                return payload.received_us


def is_header_name(text: str) -> bool:
    """Whether a text can be the name of a header."""
    return _HEADER.fullmatch(text) is not None


Places = tuple[Place, ...]


def parse_places(given: str | Sequence[str] | None) -> Places:
    """Return the places to look at, in this order."""
    texts = (given,) if isinstance(given, str) else given or ()
    return tuple(Place.parse(text) for text in texts)


def read_first(places: Places, item: object, payload: HookPayload) -> tuple[object, bool]:
    """Return the first value that is there and neither null nor empty, or `MISSING`; and whether it is the arrival."""
    for place in places:
        found = place.read(item, payload)
        if found is not MISSING and found is not None and found != "":
            return found, place.kind == RECEIVED
    return MISSING, False
