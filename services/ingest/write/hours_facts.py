"""What the rows of a file of hours tell about it, for the remarks."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import numpy as np

from services.ingest.write.hours_values import Bools, Ints, are_equal, are_long, closes, dates, opens
from services.ingest.write.packed_rows import StagedFile

_ROWS_AT_ONCE: Final = 1 << 18
_NONE: Final = np.zeros(0, np.bool_)


def find_long_openings(files: Sequence[StagedFile]) -> Iterator[tuple[UUID, int, str, int, int, int]]:
    """Yield for each file that has long openings across midnight how many, and the store, line and times of the first."""
    for file in files:
        if (is_long := _test(are_long, file)).any():
            first = int(np.argmax(is_long))
            times = int(opens(file.value[first])), int(closes(file.value[first]))
            yield file.import_id, *_count_and_show(file, is_long), *times


def find_equal_times(files: Sequence[StagedFile]) -> Iterator[tuple[UUID, int, str, int]]:
    """Yield how many openings end when they begin, and the first one, for each file that has such.

    Only those of stores that have other openings too: a store may be open around the clock every day.
    """
    for file in files:
        is_equal = _test(are_equal, file)
        if not is_equal.any():
            continue
        has_other = np.zeros(len(file.ids), np.bool_)
        has_other[file.store[~is_equal]] = True
        is_doubtful = is_equal & has_other[file.store]
        if is_doubtful.any():
            yield file.import_id, *_count_and_show(file, is_doubtful)


def _test(test: Callable[[Ints], Bools], file: StagedFile) -> Bools:
    """Return which rows pass a test, which takes several times the memory of the rows it is given."""
    starts = range(0, len(file.value), _ROWS_AT_ONCE)
    return np.concatenate([_NONE, *(test(file.value[start : start + _ROWS_AT_ONCE]) for start in starts)])


def _count_and_show(file: StagedFile, mask: Bools) -> tuple[int, str, int]:
    first = int(np.argmax(mask))
    return int(np.count_nonzero(mask)), file.ids[int(file.store[first])], int(file.line[first])


def plan_files(files: Sequence[StagedFile], listed: int) -> Iterator[dict[str, Any]]:
    """Yield what each file is about, as `plan_of_staged` does."""
    for file in files:
        if not len(file.store):
            continue
        new = file.ids.filter(file.has_store & (file.keys < 0))
        dated = dates(file.value)
        dated = dated[dated > 0]
        yield {
            "import_id": file.import_id,
            "stores": int(np.count_nonzero(file.has_store)),
            "new_stores": len(new),
            "listed": sorted(new, key=str.encode)[:listed],
            "first_date": date.fromordinal(int(dated.min())).isoformat() if dated.size else None,
            "last_date": date.fromordinal(int(dated.max())).isoformat() if dated.size else None,
        }
