"""Write the three files of a sample. They appear under their names only when all are complete."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from services.sample.draws import Draws
from services.sample.fleet import build_fleet
from services.sample.poll_rows import PollRows
from services.sample.polling import Poller
from services.sample.schedule import plan_sweeps
from services.sample.status import Watch
from services.sample.tables import hours_tables, status_table, zones_table

DEFAULT_END: Final = datetime(2024, 10, 15, tzinfo=UTC)
# The years that ingest accepts.
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
_NAMES: Final = ("store_status.csv", "menu_hours.csv", "timezones.csv")


@dataclass(frozen=True)
class SampleFile:
    """A written file. `rows` does not count the header."""

    path: Path
    rows: int
    size_bytes: int


@dataclass(frozen=True)
class SampleSummary:
    """The three files, in the order status, hours, zones."""

    files: tuple[SampleFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)

    def __str__(self) -> str:
        """Return one line per file, for people."""
        return "\n".join(f"{file.path}: {file.rows:,} rows, {file.size_bytes:,} bytes" for file in self.files)


def write_sample(
    directory: Path,
    *,
    stores: int = 3678,
    days: int = 45,
    seed: int = 7,
    end: datetime | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> SampleSummary:
    """Write `store_status.csv`, `menu_hours.csv` and `timezones.csv` to `directory`, which is created if needed.

    `stores` stores are polled in the `days` days before `end` (aware; 2024-10-15 00:00 UTC by default). A quarter as
    many more have hours and a zone but no poll. The same arguments give the same bytes on any machine.
    `on_progress(done, total)` counts sweeps of the fleet. Existing files are replaced, each in one step. Raises
    ValueError for arguments out of range, and OSError if a file cannot be written; then nothing is replaced.
    """
    end = _check_options(stores, days, seed, DEFAULT_END if end is None else end)
    draws = Draws(seed)
    fleet = build_fleet(draws, stores)
    schedule = plan_sweeps(draws, end, days)
    delivery = PollRows(draws, Poller(draws, fleet, schedule), Watch(draws, fleet, schedule))

    def status_tables() -> Iterator[pl.DataFrame]:
        done = 0
        for sweeps, rows in delivery.frames():
            yield status_table(fleet, rows)
            done += sweeps
            if on_progress is not None:
                on_progress(done, len(schedule.sweep_us))

    directory.mkdir(parents=True, exist_ok=True)
    with _replace_files(directory) as (status, hours, zones):
        rows = (
            _write_file(status, status_tables()),
            _write_file(hours, hours_tables(fleet, draws)),
            _write_file(zones, [zones_table(fleet)]),
        )
        # Real zones files end without a newline.
        os.truncate(zones, zones.stat().st_size - 1)
        sizes_bytes = [path.stat().st_size for path in (status, hours, zones)]
    return SampleSummary(tuple(map(SampleFile, (directory / name for name in _NAMES), rows, sizes_bytes)))


def _check_options(stores: int, days: int, seed: int, end: datetime) -> datetime:
    if stores < 1:
        raise ValueError(f"stores must be at least 1, not {stores}")
    if days < 1:
        raise ValueError(f"days must be at least 1, not {days}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, but is {seed}")
    if end.tzinfo is None:
        raise ValueError(f"end must have a time zone: {end.isoformat()}")
    end = end.astimezone(UTC)
    first = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC)
    last = datetime(_LAST_YEAR, 1, 1, tzinfo=UTC)
    if not first + timedelta(days=1) <= end <= last or days > (end - first).days:
        raise ValueError(
            f"the {days} days before {end.isoformat()} must lie between {first:%Y} and {last:%Y}"
        )
    return end


@contextmanager
def _replace_files(directory: Path) -> Iterator[list[Path]]:
    """Yield temporary files. They get their names if the block succeeds, and are removed if it fails."""
    parts = [directory / f".{name}.{os.getpid()}.part" for name in _NAMES]
    try:
        yield parts
        for part, name in zip(parts, _NAMES, strict=True):
            part.replace(directory / name)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _write_file(path: Path, tables: Iterable[pl.DataFrame]) -> int:
    """Write the tables below one header, and return the number of rows."""
    rows = 0
    with path.open("wb") as file:
        for number, table in enumerate(tables):
            table.write_csv(file, include_header=number == 0)
            rows += len(table)
    return rows
