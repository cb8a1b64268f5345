"""The rule of service levels, store by store and day by day: slow, obvious, in fractions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple


class Day(NamedTuple):
    """The times of one day; `of_reason` has the excluded time of some reasons."""

    up: int
    down: int
    unknown: int = 0
    excluded: int = 0
    of_reason: Mapping[str, int] = {}


@dataclass
class Level:
    target: Fraction
    unknown: str = "left_out"
    excluded: str = "left_out"
    caps: Mapping[str, int] = field(default_factory=dict)


class Answer(NamedTuple):
    """Counted and down time so far, then of the last day that counts; shares are exact, None without any."""

    counted: int
    down: int
    last_counted: int
    last_down: int
    budget: Fraction
    achieved: Fraction | None
    burn_rate: Fraction | None
    projected: Fraction | None
    state: str


def evaluate(level: Level, days: Sequence[Day], ahead: int) -> Answer:
    """Evaluate one store."""
    left = dict(level.caps)
    tallies = [count(level, day, left) for day in days]
    return stand(level, tallies, ahead)


def count(level: Level, day: Day, left: dict[str, int]) -> tuple[int, int]:
    """Return up and down time of a day, and take its excluded time from what is left of the caps."""
    up, down, within = day.up, day.down, day.excluded
    for reason, time in day.of_reason.items():
        if reason in left:
            beyond = max(0, time - left[reason])
            left[reason] -= time - beyond
            down += beyond
            within -= beyond
    up += within if level.excluded == "up" else 0
    up += day.unknown if level.unknown == "up" else 0
    down += day.unknown if level.unknown == "down" else 0
    return up, down


def stand(level: Level, tallies: Sequence[tuple[int, int]], ahead: int) -> Answer:
    """Compare what was counted with the target."""
    up, down = (sum(each) for each in zip(*tallies, strict=True)) if tallies else (0, 0)
    last_up, last_down = next((each for each in reversed(tallies) if sum(each)), (0, 0))
    allowed = 1 - level.target
    budget = allowed * (up + down + ahead)
    if not up + down:
        return Answer(0, 0, 0, 0, budget, None, None, None, "no_data")
    rate = Fraction(last_down, last_up + last_down)
    in_the_end = Fraction(down) + ahead * rate
    state = "missed" if down > budget else "at_risk" if in_the_end // 1 > budget // 1 else "ok"
    return Answer(
        up + down,
        down,
        last_up + last_down,
        last_down,
        budget,
        Fraction(up, up + down),
        rate / allowed if allowed else None,
        1 - Fraction(in_the_end // 1) / (up + down + ahead),
        state,
    )
