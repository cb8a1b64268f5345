"""The other orders of day, month and short year that a date format may have been meant to have."""

import re
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Final

# Values of these directives can be mistaken for each other: each has one or two digits.
_ORDERED: Final = re.compile(r"%(?:-?([dmye])|([DF])|.)", re.DOTALL)
_SYNONYMS: Final = {"D": "%m/%d/%y", "F": "%Y-%m-%d"}
# One such row for this many that only the given order reads proves that another order is meant, or that two are mixed.
_ROWS_PER_STRAY: Final = 100


def list_other_orders(date_format: str) -> Iterator[str]:
    """Yield the formats that differ from a strptime format only in the order of day, month and year of two digits.

    Those with the year in its place come first. No order has it in the middle.
    """
    text = _ORDERED.sub(lambda match: _SYNONYMS.get(match[2] or "", match[0]), date_format)
    places = [match for match in _ORDERED.finditer(text) if match[1]]
    given = [match[0] for match in places]
    year = next((place for place, match in enumerate(places) if match[1] == "y"), -1)
    orders = [list(order) for order in dict.fromkeys(permutations(given))]
    for order in sorted(orders, key=lambda order: year >= 0 and order[year] != given[year]):
        if order != given and order[1:-1] != given[year:][:1]:
            yield _replace(text, places, order)


def _replace(text: str, places: Sequence[re.Match[str]], order: Sequence[str]) -> str:
    found, end = [], 0
    for match, directive in zip(places, order, strict=True):
        found += [text[end : match.start()], directive]
        end = match.end()
    return "".join([*found, text[end:]])


def prove_other_order(only_given: int, only_other: int) -> bool:
    """Return whether rows that only another order reads are too many for stray ones, beside those that only the given one reads."""
    return only_other * _ROWS_PER_STRAY > only_given
