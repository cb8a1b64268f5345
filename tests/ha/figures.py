"""What was measured of each failover, in seconds from the failure of the primary."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Final

_TWENTIETHS: Final = 20


@dataclass(frozen=True)
class Failover:
    """`leader_s`: another node has the leader's key. `database_s`: it acknowledges a row. `calls_s`: the services
    acknowledge a call, by kind. `under_way`: accepted reports and uploads that had not ended yet.
    """

    how: str
    leader_s: float
    database_s: float
    calls_s: dict[str, float]
    under_way: int

    @property
    def without_writes_s(self) -> float:
        """Until a call of every kind was acknowledged again."""
        return max(self.calls_s.values())


def first_after(records: Iterable[dict[str, Any]], at: float) -> float:
    """Return when the first of the records was written after `at`."""
    return min(float(record["at"]) for record in records if record["at"] > at)


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return quantiles(values, n=_TWENTIETHS, method="inclusive")[-1] if len(values) > 1 else values[0]


def describe(failovers: Sequence[Failover]) -> str:
    """Return a line for each way to fail and each stage."""
    lines = [
        f"{len(failovers)} failovers, {sum(one.under_way for one in failovers)} reports and uploads under way"
    ]
    for how in sorted({one.how for one in failovers}):
        of_kind = [one for one in failovers if one.how == how]
        stages = {
            "leader's key": [one.leader_s for one in of_kind],
            "database writes": [one.database_s for one in of_kind],
            **{what: [one.calls_s[what] for one in of_kind] for what in of_kind[0].calls_s},
        }
        lines += [f"primary {how}: {_describe_stage(name, values)}" for name, values in stages.items()]
    whole = [one.without_writes_s for one in failovers]
    after = [one.without_writes_s - one.leader_s for one in failovers]
    return "\n".join(
        [
            *lines,
            _describe_stage("without writes", whole),
            _describe_stage("of it after the leader's key", after),
        ]
    )


def _describe_stage(name: str, values: Sequence[float]) -> str:
    return f"{name}: p50 {median(values):.1f} s, p95 {p95(values):.1f} s, longest {max(values):.1f} s"
