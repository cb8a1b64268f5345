"""How fast ingest is beside a raw COPY of the same bytes: `python -m bench.ingest --database-url URL [--csv FILE]`.

Makes and drops databases of its own on that server. All times are of one run, alternating; medians of the rounds.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

from services.cli.sample import write_sample
from shared.db.migrate import migrate

_DATABASE = "uptill_bench_ingest"
_RUN = (
    "import resource, sys, time; from services.ingest.run import ingest_paths; start = time.perf_counter();"
    "(result,) = ingest_paths(sys.argv[1], sys.argv[2:]); assert result.state == 'succeeded', result;"
    "print(time.perf_counter() - start, result.accepted, result.duplicate,"
    " resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def main() -> None:
    """Print the ratios of the ingest budgets."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--database-url", required=True, help="a server on which databases may be made")
    options.add_argument(
        "--csv", type=Path, help="a polls file with UUID ids; without it a sample is written"
    )
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        file = given.csv
        if file is None:
            write_sample(Path(directory))
            file = Path(directory) / "store_status.csv"
        run_rounds(given.database_url, file, given.rounds)


def run_rounds(server_url: str, file: Path, rounds: int) -> None:
    url = psycopg.conninfo.make_conninfo(server_url, dbname=_DATABASE)
    raw, first, again, peaks, rows = [], [], [], [], 0
    for number in range(rounds):
        _recreate(server_url)
        migrate(url)
        raw.append(raw_copy_s(url, file))
        seconds, rows, _, peak = ingest(url, file)
        first.append(seconds)
        peaks.append(peak)
        seconds, _, duplicate, peak = ingest(url, file)
        assert duplicate >= rows, "the second load accepted rows"
        again.append(seconds)
        peaks.append(peak)
        print(f"round {number + 1}: raw {raw[-1]:.2f} s, first {first[-1]:.2f} s, again {again[-1]:.2f} s")
    _recreate(server_url, drop_only=True)
    ratio = statistics.median(one / other for one, other in zip(first, raw, strict=True))
    again_ratio = statistics.median(one / other for one, other in zip(again, first, strict=True))
    print(f"rows                         {rows:,}")
    print(f"raw COPY                     {statistics.median(raw):.2f} s")
    print(f"first load / raw COPY        {ratio:.2f}   (budget 2.5, aim 1.25)")
    print(f"same rows again / first load {again_ratio:.2f}   (aim 2)")
    print(f"first load                   {rows / statistics.median(first):,.0f} rows/s")
    print(f"peak memory of the process   {max(peaks) / 1024:.0f} MB   (budget 400, aim 256)")


def raw_copy_s(url: str, file: Path) -> float:
    """Seconds of COPY into a bare typed table, without index or checks."""
    with psycopg.connect(url) as conn:
        conn.execute("drop table if exists bare")
        conn.execute("create table bare (store_id uuid, status text, at timestamptz)")
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


def ingest(url: str, file: Path) -> tuple[float, int, int, int]:
    """Seconds, accepted and duplicate rows, peak memory in KB, of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, url, str(file)], capture_output=True, check=True, text=True
    )
    seconds, accepted, duplicate, peak_kb = done.stdout.split()
    return float(seconds), int(accepted), int(duplicate), int(peak_kb)


def _recreate(server_url: str, *, drop_only: bool = False) -> None:
    name = sql.Identifier(_DATABASE)
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("drop database if exists {} with (force)").format(name))
        if not drop_only:
            conn.execute(sql.SQL("create database {}").format(name))


if __name__ == "__main__":
    main()
