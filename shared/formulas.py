"""Text that a spreadsheet would take for a formula, and how files keep it from doing so."""

import re

FORMULA = re.compile(r"'*[=+\-@\t\r]")  # apostrophes before it count too, so that `plain` is exact
INERT_FORMULA = r"^'('*[=+\-@\t\r])"


def inert(text: str) -> str:
    """The text with an apostrophe before it, if a spreadsheet might take it for a formula."""
    return f"'{text}" if FORMULA.match(text) else text


def plain(text: str) -> str:
    """What `inert` was given."""
    return re.sub(INERT_FORMULA, r"\1", text)
