"""`make bench`: every benchmark on durable embedded servers; one table, and `bench/results.json`.

`python -m bench PART… --scale 10 --data DIR` runs some of it; DIR keeps the loaded servers for the next run.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import (
    alerts,
    calls,
    facts,
    fairness,
    homes,
    imports,
    incidents,
    insight_runs,
    kafka,
    large,
    nights,
    now,
    pages,
    report,
    seal,
    series,
    tables,
    year,
)
from bench.figures import Figure, format_table, keep_results
from bench.stand import REFERENCE_DAYS, REFERENCE_STORES, SampleFleet, Stand, prepared_stand

_LARGEST_WITH_DUCKDB = 10  # beyond, the comparison costs minutes and says nothing new

_PARTS: Mapping[str, Callable[[Stand, argparse.Namespace], Sequence[Figure]]] = {
    "imports": lambda stand, given: imports.run_imports(stand, given.rounds),
    "tables": lambda stand, given: tables.run_tables(stand, given.rounds),
    "live": lambda stand, given: imports.run_live(stand, given.rounds),
    "kafka": lambda stand, given: kafka.run_kafka(stand, given.rounds),
    "report": lambda stand, given: report.run_report(
        stand, given.rounds, duck=given.scale <= _LARGEST_WITH_DUCKDB
    ),
    "homes": lambda stand, given: homes.run_homes(stand, given.rounds),
    "facts": lambda stand, given: facts.run_facts(stand, given.rounds),
    "nights": lambda stand, given: nights.run_nights(stand, given.rounds),
    "now": lambda stand, given: now.run_now(stand, given.rounds),
    "alerts": lambda stand, given: alerts.run_alerts(stand, given.rounds),
    "incidents": lambda stand, given: incidents.run_incidents(stand, given.published),
    "fairness": lambda stand, given: fairness.run_fairness(stand, given.rounds),
    "calls": lambda stand, given: calls.run_calls(stand, given.rounds),
    "pages": lambda stand, given: pages.run_pages(stand, given.rounds),
    "seal": lambda stand, given: seal.run_seal(stand, given.rounds),
    "insights": lambda stand, given: insight_runs.run_insights(stand, given.rounds),
    "series": lambda stand, given: series.run_series(stand, given.rounds),
    "large": lambda stand, given: large.run_large(stand, given.rounds),
    "year": lambda stand, given: year.run_year(stand, given.rounds),
}
# Parts that load their sample themselves.
_ON_EMPTY_STANDS = {"year"}
# Parts that take long on a large fleet and say little about a small one.
_ONLY_IF_NAMED = {*_ON_EMPTY_STANDS, "large"}


def main() -> None:
    """Run the named parts, or all of them."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(_PARTS)}; default: all")
    options.add_argument("--scale", type=int, default=1, help="times the 3,678 stores of the reference set")
    options.add_argument("--days", type=int, default=REFERENCE_DAYS)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument(
        "--data", type=Path, help="a folder that keeps samples and loaded servers between runs"
    )
    options.add_argument(
        "--published",
        type=Path,
        default=incidents.PUBLISHED,
        help="a folder with the published polls of 2025, for `incidents`; default: beside the checkout",
    )
    options.add_argument("--dry", action="store_true", help="leave bench/results.json as it is")
    given = options.parse_args()
    if unknown := set(given.parts) - set(_PARTS):
        options.error(f"no such part: {', '.join(sorted(unknown))}")
    fleet = SampleFleet(given.scale * REFERENCE_STORES, given.days)
    with tempfile.TemporaryDirectory(prefix="uptill-bench-") as folder:
        data = (given.data or Path(folder)).resolve()
        named = given.parts or [part for part in _PARTS if part not in _ONLY_IF_NAMED]
        if loaded := [part for part in named if part not in _ON_EMPTY_STANDS]:
            with prepared_stand(data, fleet) as stand:
                _run(loaded, stand, given)
        for part in named:
            if part in _ON_EMPTY_STANDS:
                with prepared_stand(data, fleet, is_empty=True) as stand:
                    _run([part], stand, given)


def _run(parts: Sequence[str], stand: Stand, given: argparse.Namespace) -> None:
    for part in parts:
        print(f"{part}: {stand.fleet}", flush=True)
        figures = _PARTS[part](stand, given)
        print(format_table(figures), flush=True)
        if not given.dry:
            keep_results(f"{part}, {stand.fleet}", figures, {})


if __name__ == "__main__":
    main()
