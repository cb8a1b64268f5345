"""Words for why a store had a status. Users extend them; those of the release are in migration 0052."""

import re
from typing import Final

_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,49}", re.ASCII)
WORD_RULE: Final = "1 to 50 of a-z, 0-9 and _, beginning with a letter"

# What filters of outages mean by `reason` besides a word.
RESERVED_WORDS: Final = ("unknown_end", "late_opening")
# Numbers of reasons have 13 bits (migration 0052). Removed words keep theirs.
MOST_WORDS: Final = 7_000


def fold_reason(text: str) -> str:
    """Return the word without surrounding spaces, in lower case, as reasons are compared."""
    return text.strip(" ").lower()


def is_reason_word(text: str) -> bool:
    """Return whether the text can be a word of the registry."""
    return _WORD.fullmatch(text) is not None
