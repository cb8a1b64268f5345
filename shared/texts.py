"""Invisible characters: controls, formats (including those that reverse text), line separators, surrogates.

An id or name with one of them looks like another one, and some of them cannot be stored.
"""

import re
from collections.abc import Sequence

# First and last character of the ranges in Unicode's categories Cc, Cf, Zl, Zp and Cs, up to version 16.
# tests/unit/test_texts.py compares them.
UNSEEN_RANGES = (
    (0x00, 0x1F),
    (0x7F, 0x9F),
    (0xAD, 0xAD),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x2064),
    (0x2066, 0x206F),
    (0xD800, 0xDFFF),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0001, 0xE0001),
    (0xE0020, 0xE007F),
)
UNSEEN = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in UNSEEN_RANGES)}]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun: 1 store, 2,400 stores."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def first_of(names: Sequence[str], most: int) -> str:
    """Return the first names, and how many more there are: a, b, c and 2 more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def quoted(text: str) -> str:
    """Return a name in quotes, for a message: as it is, but invisible characters as escapes.

    `repr` would double each backslash, which JSON does once more.
    """
    return f"'{UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)}'"


def seen(text: str) -> str:
    """Return the text. Raises ValueError for an invisible character in it."""
    if found := UNSEEN.search(text):
        raise ValueError(f"holds U+{ord(found[0]):04X}, a control or invisible character; leave it out")
    return text


def storable(text: str) -> str:
    """Return the text. Raises ValueError for NUL and for half a surrogate pair, which Postgres does not store."""
    if found := _UNSTORABLE.search(text):
        raise ValueError(f"holds U+{ord(found[0]):04X}, which is not text; leave it out")
    return text


def storable_throughout(value: object) -> None:
    """Check every text in a JSON value, including names. Raises ValueError like `storable`, with the place of the text."""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        place, found = waiting.pop()
        match found:
            case str() as text:
                _check_at(place, text)
            case dict() as members:
                for name, member in members.items():
                    _check_at(place, name)
                    waiting.append((f"{place}.{name}", member))
            case list() as items:
                waiting += [(f"{place}.{number}", item) for number, item in enumerate(items)]


def _check_at(place: str, text: str) -> None:
    try:
        storable(text)
    except ValueError as error:
        raise ValueError(f"{place.removeprefix('.') or 'the body'} {error}") from None
