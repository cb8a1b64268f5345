"""Compare the speed of ingest with a raw COPY of the same bytes: `python -m bench.ingest --database-url URL [--csv FILE]`.

Makes and drops databases of its own on that server. All times are of one run, alternating; medians of the rounds.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from services.sample import write_sample
from services.sample.write_sample import DEFAULT_END
from shared.db.migrate import migrate

_DATABASE = "uptill_bench_ingest"
_LARGE_STORES = 36_780
# The peak is that of /proc: getrusage gives a process also the peak of the one that started it.
_RUN = (
    "import pathlib, sys, time; from services.ingest.run import ingest_paths; start = time.perf_counter();"
    "(result,) = ingest_paths(sys.argv[1], sys.argv[2:]); assert result.state == 'succeeded', result;"
    "seconds = time.perf_counter() - start; status = pathlib.Path('/proc/self/status').read_text();"
    "print(seconds, result.rows_read, result.accepted, status.partition('VmHWM:')[2].split()[0])"
)


@dataclass(frozen=True)
class IngestLoad:
    """One import by its own process."""

    seconds: float
    rows_read: int
    accepted: int
    peak_kb: int

    @property
    def rows_per_s(self) -> float:
        return self.rows_read / self.seconds

    @property
    def peak_mb(self) -> float:
        return self.peak_kb / 1024


@dataclass(frozen=True)
class LargeRound:
    """The reference set, and ten times as many stores, each into an empty database."""

    usual: IngestLoad
    first: IngestLoad


@dataclass(frozen=True)
class IngestRound:
    """The measurements of one round, in this order."""

    raw_s: float
    first: IngestLoad
    same: IngestLoad
    again: IngestLoad
    day: IngestLoad


def main() -> None:
    """Print the ratios of the ingest budgets."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--database-url", required=True, help="a server on which databases may be made")
    options.add_argument("--csv", type=Path, help="a polls file; without it a sample is written")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--large", action="store_true", help="also load ten times as many stores")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        file = given.csv
        if file is None:
            write_sample(Path(directory))
            file = Path(directory) / "store_status.csv"
        run_rounds(given.database_url, file, given.rounds)
        if given.large:
            run_large(given.database_url, file, Path(directory, "large"), given.rounds)


def run_rounds(server_url: str, file: Path, rounds: int) -> Sequence[IngestRound]:
    """Measure, print and return the rounds."""
    with tempfile.TemporaryDirectory() as directory:
        again, day = Path(directory, "again.csv"), Path(directory, "day")
        shutil.copyfile(file, again)
        with again.open("ab") as lines:
            lines.write(b"\n")  # the same rows, not the same bytes
        write_sample(day, days=1, end=DEFAULT_END + timedelta(days=1))
        done = []
        for number in range(rounds):
            done.append(_run_round(server_url, file, again, day / "store_status.csv"))
            one = done[-1]
            print(
                f"round {number + 1}: raw {one.raw_s:.2f} s, first {one.first.seconds:.2f} s,"
                f" again {one.again.seconds:.2f} s, day {one.day.seconds:.2f} s"
            )
    first_s = statistics.median(one.first.seconds for one in done)
    same_s = statistics.median(one.same.seconds for one in done)
    day_s = statistics.median(one.day.seconds for one in done)
    peak_kb = max(load.peak_kb for one in done for load in (one.first, one.again))
    raw_ratio = statistics.median(one.first.seconds / one.raw_s for one in done)
    again_ratio = statistics.median(one.again.seconds / one.first.seconds for one in done)
    print(f"rows                         {done[0].first.rows_read:,}")
    print(f"raw COPY                     {statistics.median(one.raw_s for one in done):.2f} s")
    print(f"first load / raw COPY        {raw_ratio:.2f}   (budget 1)")
    print(f"same rows again / first load {again_ratio:.2f}   (budget 1.5)")
    print(f"same file again              {same_s:.2f} s (budget 0.5 s)")
    print(f"new day, {done[0].day.rows_read:,} rows         {day_s:.2f} s (budget 1 s)")
    print(f"first load                   {done[0].first.rows_read / first_s:,.0f} rows/s")
    print(f"peak memory of the process   {peak_kb / 1024:.0f} MB (budget 256)")
    return done


def run_large(
    server_url: str, file: Path, directory: Path, rounds: int
) -> tuple[Sequence[LargeRound], IngestLoad]:
    """Load `file` and then ten times as many stores, written to `directory`, round by round, and finally these again.

    Prints, and returns the rounds and the load that found all its rows there.
    """
    large, again = directory / "store_status.csv", directory / "again.csv"
    if not large.exists():
        write_sample(directory, stores=_LARGE_STORES)
    url = psycopg.conninfo.make_conninfo(server_url, dbname=_DATABASE)
    done = []
    for number in range(rounds):
        _recreate_database(server_url)
        migrate(url)
        usual = time_ingest(url, file)
        _recreate_database(server_url)
        migrate(url)
        done.append(one := LargeRound(usual, time_ingest(url, large)))
        print(f"round {number + 1}: {usual.seconds:.2f} s, ten times as many {one.first.seconds:.2f} s")
    shutil.copyfile(large, again)
    with again.open("ab") as lines:
        lines.write(b"\n")
    repeated = time_ingest(url, again)
    assert repeated.accepted == 0, "a later load accepted rows that were there"
    _recreate_database(server_url, drop_only=True)
    again.unlink()
    speed = statistics.median(one.first.rows_per_s / one.usual.rows_per_s for one in done)
    peak = statistics.median(one.first.peak_kb / one.usual.peak_kb for one in done)
    print(f"{repeated.rows_read:,} rows: rows/s      {speed:.2f} of the reference set's (budget 0.9)")
    print(f"  peak memory                {peak:.2f} of the reference set's (budget 1.1)")
    again_ratio = repeated.seconds / done[-1].first.seconds
    print(f"  again / first load of them {again_ratio:.2f}   (budget 1.5)")
    print(
        f"  again                      {repeated.seconds:.1f} s, {repeated.peak_kb / 1024:.0f} MB (budget 256)"
    )
    return done, repeated


def raw_copy_s(url: str, file: Path) -> float:
    """Return the seconds of COPY into a bare typed table, without index or checks."""
    with psycopg.connect(url) as conn:
        conn.execute("drop table if exists bare")
        conn.execute("create table bare (store_id text, status text, at timestamptz)")
        conn.commit()
        start = time.perf_counter()
        with (
            file.open("rb") as lines,
            conn.cursor().copy("copy bare from stdin (format csv, header)") as copy,
        ):
            while block := lines.read(1 << 20):
                copy.write(block)
        conn.commit()
        seconds = time.perf_counter() - start
        conn.execute("drop table bare")
    return seconds


def time_ingest(url: str, file: Path) -> IngestLoad:
    """Import one file."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, url, str(file)], capture_output=True, check=True, text=True
    )
    seconds, rows_read, accepted, peak_kb = done.stdout.split()
    return IngestLoad(float(seconds), int(rows_read), int(accepted), int(peak_kb))


def _run_round(server_url: str, file: Path, again: Path, day: Path) -> IngestRound:
    url = psycopg.conninfo.make_conninfo(server_url, dbname=_DATABASE)
    _recreate_database(server_url)
    migrate(url)
    done = IngestRound(
        raw_copy_s(url, file), *(time_ingest(url, source) for source in (file, file, again, day))
    )
    _recreate_database(server_url, drop_only=True)
    assert done.same.accepted == done.again.accepted == 0, "a later load accepted rows that were there"
    assert done.day.accepted > 0, "the new day is not new"
    return done


def _recreate_database(server_url: str, *, drop_only: bool = False) -> None:
    name = sql.Identifier(_DATABASE)
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("drop database if exists {} with (force)").format(name))
        if not drop_only:
            conn.execute(sql.SQL("create database {}").format(name))


if __name__ == "__main__":
    main()
