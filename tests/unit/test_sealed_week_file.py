"""The file of a sealed week: how many bytes a poll takes, by how the polls arrived."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from shared.sealed.sealed_rows import SealedRows
from shared.sealed.sealed_week import WeekPiece
from shared.sealed.week_file import WeekFileWriter, read_groups

_STORES, _POLLS = 300, 100
_WEEK_US = 7 * 86_400 * 1_000_000
_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US


def _polls(change_us: int, step_us: int = 1) -> SealedRows:
    """Return polls at random instants of a week, in steps of `step_us`, with a ledger number for each `change_us`."""
    random = np.random.default_rng(1)
    at_us = np.sort(random.integers(_WEEK_US // step_us, size=(_STORES, _POLLS)) * step_us, axis=1).ravel()
    store_key = np.repeat(np.arange(1, _STORES + 1), _POLLS)
    return SealedRows(store_key, at_us, np.arange(len(at_us)) % 9 > 0, 1_000_000 + at_us // change_us)


@pytest.mark.parametrize(
    ("change_us", "most_bytes"),
    [(_WEEK_US, 5.5), (3_600 * _SECOND_US, 5.6), (_SECOND_US, 7.5), (_SECOND_US // 50, 8.5)],
    ids=["one file", "a file an hour", "a change a second", "50 changes a second"],
)
def test_a_poll_takes_few_bytes_however_it_arrived(tmp_path: Path, change_us: int, most_bytes: float) -> None:
    _check_size([_polls(change_us)], tmp_path / "week.parquet", most_bytes)


def test_polls_on_a_grid_of_minutes_take_less(tmp_path: Path) -> None:
    _check_size([_polls(_WEEK_US, _MINUTE_US)], tmp_path / "week.parquet", 2)


def test_a_later_group_may_be_off_the_grid(tmp_path: Path) -> None:
    groups = [_polls(_WEEK_US, _MINUTE_US), _polls(_WEEK_US)]
    _check_size(groups, tmp_path / "week.parquet", 5)
    _check_size(groups[::-1], tmp_path / "week.parquet", 5)


def test_a_file_may_have_no_group(tmp_path: Path) -> None:
    _check_size([], tmp_path / "week.parquet", 0)


def _check_size(groups: Sequence[SealedRows], path: Path, most_bytes: float) -> None:
    """Write groups, read them back, and compare the bytes of a poll."""
    with io.FileIO(path, "w") as target:
        file = WeekFileWriter(target)
        for rows in groups:
            file.write_group(rows)
        file.close()
    data, every = path.read_bytes(), SealedRows.join(groups)
    assert not groups or len(data) / len(every) < most_bytes
    piece = WeekPiece(0, len(data), "", None, None)
    read = read_groups("a week", len(data), [(piece, data)], range(len(groups)))
    assert read.packed() == every.packed()
