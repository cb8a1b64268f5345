"""What a batch has rendered for a further file of its report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FurtherLines:
    """The lines of a part, and how many rows they are without the header."""

    data: bytes
    rows: int
