"""What a sender signs: the body, alone or with a timestamp, an id and other headers, as its documentation says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

_PART = re.compile(r"\{(body|timestamp|id|header:([A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}))\}", re.ASCII)
SIGNED_RULE: Final = (
    "write {body} once, and around it {timestamp}, {id} or {header:NAME} and what stands between them"
)


@dataclass(frozen=True)
class SignedText:
    """The text around the body, in parts: literal texts, and names of headers in lower case."""

    before: tuple[tuple[bool, str], ...]
    after: tuple[tuple[bool, str], ...]

    @classmethod
    def parse(cls, template: str, *, timestamp_header: str | None, id_header: str | None) -> Self:
        """Return the parts. Raise ValueError that says what to write."""
        if template.count("{body}") != 1:
            raise ValueError(f"does not have the body once; {SIGNED_RULE}")
        named = {"timestamp": timestamp_header, "id": id_header}

        def split(text: str) -> tuple[tuple[bool, str], ...]:
            parts: list[tuple[bool, str]] = []
            end = 0
            for match in _PART.finditer(text):
                header = match[2] or named[match[1]]
                if header is None:
                    raise ValueError(f"has {match[0]}, but {match[1]}_header is not set; name the header")
                parts += [(False, text[end : match.start()]), (True, header.lower())]
                end = match.end()
            parts.append((False, text[end:]))
            if any("{" in literal or "}" in literal for is_header, literal in parts if not is_header):
                raise ValueError(f"has a brace that begins no part; {SIGNED_RULE}")
            return tuple(part for part in parts if part[1])

        before, _, after = template.partition("{body}")
        return cls(split(before), split(after))

    def fill(self, headers: Mapping[str, str], body: bytes) -> bytes | None:
        """Return what was signed, or None if a header is missing."""
        try:
            before, after = (
                b"".join(
                    _read_bytes(headers[text]) if is_header else text.encode() for is_header, text in parts
                )
                for parts in (self.before, self.after)
            )
        except KeyError:
            return None
        return before + body + after

    @property
    def headers(self) -> frozenset[str]:
        """The headers that are signed, in lower case."""
        return frozenset(text for is_header, text in (*self.before, *self.after) if is_header)


def _read_bytes(value: str) -> bytes:
    """Return the bytes of a header, which HTTP servers hand over as Latin-1. A sender signs them, whatever they mean."""
    return value.encode("latin-1", "replace")
