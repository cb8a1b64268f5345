"""Compare the CSV files of two reports, store by store, in bounded memory. Must not know the database or the storage."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from shared.formulas import plain

Presence = Literal["changed", "added", "removed"]
_NAME = "name"


@dataclass(frozen=True)
class StoreDifference:
    """A store whose row differs: the values of each differing column, before and after.

    `added`: only the later report has it. `removed`: only the earlier one has it. The missing values are None.
    """

    store_id: str
    presence: Presence
    values: Mapping[str, tuple[str | None, str | None]]


class ReportComparison:
    """Reads two files side by side: `before` and `after` yield their blocks. Both are in the order of the stores' ids."""

    def __init__(self, before: Iterator[bytes], after: Iterator[bytes], after_id: str | None = None) -> None:
        """Begin after the store `after_id`."""
        self._differences = _compare(_split_lines(before), _split_lines(after), _order(after_id or ""))

    def read_some(self, most: int) -> list[StoreDifference]:
        """Return the next stores that differ; fewer than `most` only at the end. Raises as the blocks do."""
        return list(islice(self._differences, most))


def _split_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _compare(before: Iterator[bytes], after: Iterator[bytes], start: bytes) -> Iterator[StoreDifference]:
    """Merge the rows by store, as two sorted lists are merged."""
    columns = _find_columns(_parse(next(before)), _parse(next(after)))
    old_line, new_line = next(before, None), next(after, None)
    while old_line or new_line:
        # Most rows are equal, and need not be parsed.
        if old_line == new_line:
            old_line, new_line = next(before, None), next(after, None)
            continue
        old, new = (_parse(line) if line else None for line in (old_line, new_line))
        old_id, new_id = (plain(row[0]) if row else None for row in (old, new))
        is_old = new_id is None or (old_id is not None and _order(old_id) <= _order(new_id))
        is_new = old_id is None or (new_id is not None and _order(new_id) <= _order(old_id))
        store_id = (old_id if is_old else new_id) or ""
        if _order(store_id) > start:
            found = _describe(store_id, columns, old if is_old else None, new if is_new else None)
            if found.values or found.presence != "changed":
                yield found
        if is_old:
            old_line = next(before, None)
        if is_new:
            new_line = next(after, None)


def _parse(line: bytes) -> list[str]:
    return next(csv.reader([line.decode()]))


def _find_columns(before: Sequence[str], after: Sequence[str]) -> Mapping[str, int]:
    """Return the places of the columns to compare. A new name of a store changes no number, and older files have none."""
    shared = [name for name, other in zip(before, after, strict=False) if name == other]
    return {name: place for place, name in enumerate(shared) if place and name != _NAME}


def _order(store_id: str) -> bytes:
    """Return what files are sorted by."""
    return store_id.encode()


def _describe(
    store_id: str, columns: Mapping[str, int], old: Sequence[str] | None, new: Sequence[str] | None
) -> StoreDifference:
    presence: Presence = "added" if old is None else "removed" if new is None else "changed"
    pairs = {
        name: (old[place] if old else None, new[place] if new else None) for name, place in columns.items()
    }
    return StoreDifference(
        store_id, presence, {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    )
