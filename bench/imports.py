"""The figures of the ingest benchmarks, which `bench.ingest` and `bench.live` measure and print."""

from collections.abc import Sequence

from bench import ingest, live
from bench.figures import Figure, Target
from bench.stand import Stand


def run(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Load the sample's polls again and again, beside a raw COPY of the same bytes, each in a database of its own."""
    done = ingest.run_rounds(stand.endpoints.database_url, stand.sample / "store_status.csv", rounds)
    first_s = [one.first.seconds for one in done]
    return [
        Figure("first load", "s", first_s, "raw COPY", [one.raw_s for one in done], Target("<=", 1.25)),
        Figure(
            "same rows again",
            "s",
            [one.again.seconds for one in done],
            "first load",
            first_s,
            Target("<=", 2),
        ),
        Figure("same file again", "s", [one.same.seconds for one in done], target=Target("<=", 0.5)),
        Figure("a new day", "s", [one.day.seconds for one in done], target=Target("<=", 1)),
        Figure(
            "peak memory, an import",
            "MB",
            [one.first.peak_kb / 1024 for one in done],
            target=Target("<=", 256),
        ),
    ]


def run_live(stand: Stand) -> Sequence[Figure]:
    """Live polls; prints its own lines."""
    live.run(stand.endpoints.database_url, stand.folder)
    return []
