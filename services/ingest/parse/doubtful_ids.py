"""Tells of ids that were read, but may not be what they look like: comments, and numbers that a spreadsheet rounded."""

from collections.abc import Iterable, Iterator
from typing import Final

_MARK: Final = "#"
_EXACT_DIGITS: Final = 15  # of a number in a spreadsheet


def describe_doubtful_ids(store_ids: Iterable[str]) -> Iterator[str]:
    """Yield a sentence if some of these ids begin with `#`, and one if all long numbers among them end in zeros."""
    comments: list[str] = []
    long: list[str] = []
    for store_id in store_ids:
        if store_id.startswith(_MARK):
            comments.append(store_id)
        elif len(store_id) > _EXACT_DIGITS and store_id.isascii() and store_id.isdecimal():
            long.append(store_id)
    if comments:
        yield _describe_comments(comments)
    if long and all(not store_id[_EXACT_DIGITS:].strip("0") for store_id in long):
        yield _describe_rounded(long)


def _describe_comments(found: list[str]) -> str:
    ids = "1 store id begins" if len(found) == 1 else f"{len(found):,} store ids begin"
    return (
        f"{ids} with {_MARK}, such as {min(found)!r}: read as an id, not as a comment; if it is a comment, remove the row and"
        f" load the file again. In a URL, write %23 for {_MARK}."
    )


def _describe_rounded(found: list[str]) -> str:
    ids = "1 store id has" if len(found) == 1 else f"{len(found):,} store ids have"
    return (
        f"{ids} more than {_EXACT_DIGITS} digits, all with zeros after the {_EXACT_DIGITS}th, such as {min(found)!r}: spreadsheets"
        " round long numbers like this, so that several stores may have become one. Export the column as text."
    )
