"""The rule for names of stores: one for files and calls."""

import unicodedata
from typing import Final

from shared.errors import InvalidRequest
from shared.store_ids import clean_store_id, is_missing_name
from shared.texts import quoted

MAX_STORE_NAME: Final = 255
NAME_FAULT: Final = (
    f"the name of the store is longer than {MAX_STORE_NAME} characters, or contains a line break, a control character or"
    " an invisible character; shorten it, or type it again; or it is what is written if there is none, such as #N/A,"
    " NULL, None or -"
)


def clean_store_name(text: str) -> str:
    """Return the name in NFC, with plain spaces, and without spaces, zero-width characters and bidi marks at both ends."""
    name = clean_store_id(text)
    return "".join(" " if unicodedata.category(each) == "Zs" else each for each in name)


def is_store_name(name: str) -> bool:
    """Return whether a clean name is valid."""
    return 1 <= len(name) <= MAX_STORE_NAME and name.isprintable() and not is_missing_name(name)


def require_store_name(text: str) -> str:
    """Return the clean name. Raise `InvalidRequest` if it is not valid."""
    name = clean_store_name(text)
    if not is_store_name(name):
        what = f"the name {quoted(name[:100])}" if name else "the name is empty: send null to remove it"
        raise InvalidRequest(
            f"{what}: {NAME_FAULT}; send null to remove a name" if name else what, field="body.name"
        )
    return name


def display_name(store_id: str, name: str | None) -> str:
    """Return a store as messages name it: `Main Street (0042)`, or its id alone."""
    return f"{name} ({store_id})" if name else store_id
