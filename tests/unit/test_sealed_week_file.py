"""The file of a sealed week: how many bytes a poll takes, by how the polls arrived."""

import io
from pathlib import Path

import numpy as np
import pytest

from shared.sealed.sealed_rows import SealedRows
from shared.sealed.sealed_week import WeekPiece
from shared.sealed.week_file import WeekFileWriter, read_groups

_STORES, _POLLS = 300, 100
_WEEK_US = 7 * 86_400 * 1_000_000
_SECOND_US = 1_000_000


def _polls(change_us: int) -> SealedRows:
    """Return polls at random instants of a week, with a ledger number for each `change_us`."""
    random = np.random.default_rng(1)
    at_us = np.sort(random.integers(_WEEK_US, size=(_STORES, _POLLS)), axis=1).ravel()
    store_key = np.repeat(np.arange(1, _STORES + 1), _POLLS)
    return SealedRows(store_key, at_us, np.arange(len(at_us)) % 9 > 0, 1_000_000 + at_us // change_us)


@pytest.mark.parametrize(
    ("change_us", "most_bytes"),
    [(_WEEK_US, 5.5), (3_600 * _SECOND_US, 5.6), (_SECOND_US, 7.5), (_SECOND_US // 50, 8.5)],
    ids=["one file", "a file an hour", "a change a second", "50 changes a second"],
)
def test_a_poll_takes_few_bytes_however_it_arrived(tmp_path: Path, change_us: int, most_bytes: float) -> None:
    rows, path = _polls(change_us), tmp_path / "week.parquet"
    with io.FileIO(path, "w") as target:
        file = WeekFileWriter(target)
        file.write_group(rows)
        file.close()
    data = path.read_bytes()
    assert len(data) / len(rows) < most_bytes
    read = read_groups("a week", len(data), [(WeekPiece(0, len(data), "", None, None), data)], [0])
    assert read.packed() == rows.packed()
