"""Tells that ids which look like comments were read as ids: files have no comments."""

from collections.abc import Iterable

_MARK = "#"


def describe_comment_ids(store_ids: Iterable[str]) -> list[str]:
    """Return a sentence if some of these ids begin with `#`."""
    found = [store_id for store_id in store_ids if store_id.startswith(_MARK)]
    if not found:
        return []
    ids = "1 store id begins" if len(found) == 1 else f"{len(found):,} store ids begin"
    text = (
        f"{ids} with {_MARK}, such as {min(found)!r}: read as an id, not as a comment; if it is a comment, remove the row and"
        f" load the file again. In a URL, write %23 for {_MARK}."
    )
    return [text]
