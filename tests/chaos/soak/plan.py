"""Which faults come when: drawn from the seed alone, one timeline for each service and server."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Fault:
    """At `at_s` something happens to `target` that is undone after `lasts_s`."""

    at_s: float
    target: str
    kind: str
    lasts_s: float


@dataclass(frozen=True)
class Habit:
    """How one target suffers: seconds between two faults, and for each kind the seconds it lasts, at least and at most."""

    pause_s: tuple[float, float]
    kinds: Mapping[str, tuple[float, float]]


PARTS = "parts"  # of reports under way, in the bucket
_PROCESS = {"kill": (0.2, 3.0), "term": (0.2, 3.0), "stop": (1.0, 40.0)}
HABITS: Mapping[str, Habit] = {
    "worker": Habit((6.0, 15.0), _PROCESS),
    "api": Habit((10.0, 25.0), {"kill": (0.2, 3.0), "term": (0.2, 3.0), "stop": (1.0, 10.0)}),
    "ingest": Habit((10.0, 25.0), {"kill": (0.2, 3.0), "term": (0.2, 3.0), "stop": (1.0, 10.0)}),
    "scheduler": Habit((10.0, 25.0), {"kill": (0.2, 3.0), "term": (0.2, 3.0), "stop": (1.0, 20.0)}),
    "valkey": Habit((8.0, 25.0), {"kill": (0.2, 8.0), "flush": (0.0, 0.0)}),
    "postgres": Habit((12.0, 30.0), {"immediate": (0.2, 6.0), "backends": (0.0, 0.0)}),
    "seaweedfs": Habit((12.0, 35.0), {"kill": (0.2, 5.0), "stop": (1.0, 12.0)}),
    PARTS: Habit((2.0, 6.0), dict.fromkeys(("garbage", "half", "empty", "exchanged"), (0.0, 0.0))),
}
_LONG_STOP_SHARE = 0.2  # most freezes are short, so that work goes on between them
_SHORT_STOP_S = 8.0


def plan(seed: str, seconds: float, targets: Sequence[str]) -> list[Fault]:
    """The faults of a soak in order. Every kind of a target comes once before one comes again, a kill before all.

    A soak of less than a minute has denser faults: its pauses shrink with it.
    """
    faults = [fault for target in targets for fault in _timeline(seed, seconds, target)]
    return sorted(faults)


def _timeline(seed: str, seconds: float, target: str) -> Iterator[Fault]:
    draw = random.Random(f"{seed}/{target}")
    habit = HABITS[target.rpartition("-")[0] or target]
    scale = min(1.0, max(0.4, seconds / 60))
    at_s = draw.uniform(1.0, habit.pause_s[1]) * scale
    kinds = draw.sample(sorted(habit.kinds), len(habit.kinds))
    kinds.sort(key="kill".__eq__)  # taken from the end: even a short soak kills each worker, which shows most
    while True:
        kind = kinds.pop()
        lasts_s = _duration(draw, kind, habit.kinds[kind])
        if at_s + lasts_s > seconds:
            return
        yield Fault(round(at_s, 3), target, kind, round(lasts_s, 3))
        at_s += lasts_s + draw.uniform(*habit.pause_s) * scale
        kinds = kinds or draw.sample(sorted(habit.kinds), len(habit.kinds))


def _duration(draw: random.Random, kind: str, bounds: tuple[float, float]) -> float:
    if kind == "stop" and draw.random() >= _LONG_STOP_SHARE:
        return draw.uniform(bounds[0], min(bounds[1], _SHORT_STOP_S))
    return draw.uniform(*bounds)
