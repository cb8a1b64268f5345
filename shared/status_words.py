"""The words that stand for the status of a poll: `active` and `inactive`, and those that an operator maps to them."""

from collections.abc import Mapping
from typing import Final

STATUSES: Final[Mapping[str, bool]] = {"active": True, "inactive": False}
_EXAMPLE: Final = "online=active,offline=inactive"


def fold_status(text: str) -> str:
    """Return the word without surrounding spaces of any kind, in lower case, as statuses are compared."""
    return text.strip().lower()


def parse_status_words(text: str) -> dict[str, bool]:
    """Return whether each word of a mapping such as `online=active,offline=inactive` means active.

    Raise ValueError if a word is missing or mapped twice, or if its meaning is neither `active` nor `inactive`.
    """
    found: dict[str, bool] = {}
    for pair in text.split(",") if text.strip(" ") else ():
        word, equals, meaning = (fold_status(part) for part in pair.rpartition("="))
        if not equals or not word:
            raise ValueError(
                f"{pair.strip()!r} does not map a word: write WORD=active or WORD=inactive, as in {_EXAMPLE}"
            )
        if meaning not in STATUSES:
            raise ValueError(
                f"{word!r} is mapped to {meaning!r}, which is not a status: map it to active or inactive"
            )
        if not word.isprintable():
            raise ValueError(f"{word!r} has a character that cannot be printed: remove it")
        if word in found:
            raise ValueError(
                f"{word!r} is mapped twice: case and surrounding spaces do not matter; name it once"
            )
        if STATUSES.get(word, STATUSES[meaning]) != STATUSES[meaning]:
            raise ValueError(
                f"{word!r} cannot be mapped to {meaning!r}: active and inactive keep their meaning"
            )
        found[word] = STATUSES[meaning]
    return found


def format_status_words(words: Mapping[str, bool]) -> str:
    """Return the mapping as text, sorted by word, for `parse_status_words` to read."""
    return ",".join(f"{word}={'active' if words[word] else 'inactive'}" for word in sorted(words))
