"""`make bench`: every benchmark on durable embedded servers; one table, and `bench/results.json`.

`python -m bench PART… --scale 10 --data DIR` runs some of it; DIR keeps the loaded servers for the next run.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import calls, facts, fairness, imports, now, report, series, tables
from bench.figures import Figure, format_table, keep_results
from bench.stand import REFERENCE_STORES, SampleFleet, Stand, prepared_stand

_DAYS = 45
_LARGEST_WITH_DUCKDB = 10  # beyond, the comparison costs minutes and says nothing new

_PARTS: Mapping[str, Callable[[Stand, argparse.Namespace], Sequence[Figure]]] = {
    "imports": lambda stand, given: imports.run_imports(stand, given.rounds),
    "tables": lambda stand, given: tables.run_tables(stand, given.rounds),
    "live": lambda stand, given: imports.run_live(stand, given.rounds),
    "report": lambda stand, given: report.run_report(
        stand, given.rounds, duck=given.scale <= _LARGEST_WITH_DUCKDB
    ),
    "facts": lambda stand, given: facts.run_facts(stand, given.rounds),
    "now": lambda stand, given: now.run_now(stand, given.rounds),
    "fairness": lambda stand, given: fairness.run_fairness(stand, given.rounds),
    "calls": lambda stand, given: calls.run_calls(stand, given.rounds),
    "series": lambda stand, given: series.run_series(stand, given.rounds),
}


def main() -> None:
    """Run the named parts, or all of them."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(_PARTS)}; default: all")
    options.add_argument("--scale", type=int, default=1, help="times the 3,678 stores of the reference set")
    options.add_argument("--days", type=int, default=_DAYS)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument(
        "--data", type=Path, help="a folder that keeps samples and loaded servers between runs"
    )
    options.add_argument("--dry", action="store_true", help="leave bench/results.json as it is")
    given = options.parse_args()
    if unknown := set(given.parts) - set(_PARTS):
        options.error(f"no such part: {', '.join(sorted(unknown))}")
    fleet = SampleFleet(given.scale * REFERENCE_STORES, given.days)
    with (
        tempfile.TemporaryDirectory(prefix="uptill-bench-") as folder,
        prepared_stand(given.data or Path(folder), fleet) as stand,
    ):
        for part in given.parts or _PARTS:
            print(f"{part}: {fleet}", flush=True)
            figures = _PARTS[part](stand, given)
            print(format_table(figures), flush=True)
            if not given.dry:
                keep_results(f"{part}, {fleet}", figures, {})


if __name__ == "__main__":
    main()
