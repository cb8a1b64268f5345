"""The figures of the ingest benchmarks, which `bench.ingest` and `bench.live` measure and print."""

from collections.abc import Sequence

from bench import hooks, ingest, live
from bench.figures import Figure, Target
from bench.stand import REFERENCE_STORES, Stand

_MEMORY_MB = Target("<=", 256)


def run_imports(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Load the sample's polls repeatedly, next to a raw COPY of the same bytes, each into its own database."""
    server_url, file = stand.endpoints.database_url, stand.sample / "store_status.csv"
    done = ingest.run_rounds(server_url, file, rounds)
    first_s, again_s = [one.first.seconds for one in done], [one.again.seconds for one in done]
    figures = [
        Figure("first load", "s", first_s, "raw COPY", [one.raw_s for one in done], Target("<=", 1)),
        Figure("same rows again", "s", again_s, "first load", first_s, Target("<=", 1.5)),
        Figure("same file again", "s", [one.same.seconds for one in done], target=Target("<=", 0.5)),
        Figure("a new day", "s", [one.day.seconds for one in done], target=Target("<=", 1)),
        Figure("peak memory, first load", "MB", [one.first.peak_mb for one in done], target=_MEMORY_MB),
        Figure("peak memory, again", "MB", [one.again.peak_mb for one in done], target=_MEMORY_MB),
    ]
    return [*figures, *_run_large(stand, rounds)] if stand.fleet.stores == REFERENCE_STORES else figures


def _run_large(stand: Stand, rounds: int) -> Sequence[Figure]:
    file, directory = stand.sample / "store_status.csv", stand.folder / "large"
    done, again = ingest.run_large(stand.endpoints.database_url, file, directory, rounds)
    peak_mb = [one.first.peak_mb for one in done]
    return [
        Figure(
            "first load, ten times as many",
            "rows/s",
            [one.first.rows_per_s for one in done],
            "first load",
            [one.usual.rows_per_s for one in done],
            Target(">=", 0.9),
        ),
        Figure(
            "peak memory, ten times as many",
            "MB",
            peak_mb,
            "first load",
            [one.usual.peak_mb for one in done],
            Target("<=", 1.1),
        ),
        Figure("peak memory, ten times as many", "MB", peak_mb, target=_MEMORY_MB),
        Figure(
            "ten times as many again",
            "s",
            [again.seconds],
            "first load of them",
            [done[-1].first.seconds],
            Target("<=", 1.5),
        ),
        Figure("peak memory, ten times as many again", "MB", [again.peak_mb], target=_MEMORY_MB),
    ]


def run_live(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Send live polls, and calls of a hook, through an ingest service, as fast as possible and at the target rate."""
    done = live.run_live_rounds(stand.endpoints.database_url, stand.folder, rounds)
    called = hooks.run_hook_rounds(stand.endpoints.database_url, stand.folder, rounds)
    return [
        Figure(
            "live polls, at most",
            "polls/s",
            [one.highest_polls_per_s for one in done],
            target=Target(">=", live.TARGET_POLLS_PER_S),
        ),
        Figure("live polls, 20,000/s offered", "polls/s", [one.paced_polls_per_s for one in done]),
        Figure("a call of 500 at 20,000/s, p50", "ms", [one.p50_ms for one in done]),
        Figure(
            "a call of 500 at 20,000/s, p99", "ms", [one.p99_ms for one in done], target=Target("<=", 250)
        ),
        Figure(
            "calls of a hook, at most",
            "calls/s",
            [one.highest_per_s for one in called],
            target=Target(">=", hooks.TARGET_CALLS_PER_S),
        ),
        Figure(
            "a call of a hook at 3,000/s, p99",
            "ms",
            [one.p99_ms for one in called],
            target=Target("<=", 100),
        ),
    ]
