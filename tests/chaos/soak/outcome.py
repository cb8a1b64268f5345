"""What a soak did and measured, as text; and what the services' logs say of it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Of each event that is counted, the field that is kept.
_FIELD = {
    "leases_expired": "batches",
    "republished": "messages",
    "report_succeeded": "report_id",
    "report_failed": "report_id",
    "batch_released": "report_id",
    "lease_lost": "report_id",
    "parts_lost": "batches",
    "week_sealed": "week",
    "week_opened": "week",
}


@dataclass(frozen=True)
class Outcome:
    """`breaches` are the promises that were broken; of the faults and deeds only the numbers are kept."""

    seed: str
    faults: Mapping[str, int]
    ended_alone: Mapping[str, int]
    did: Mapping[str, int]
    lease_waits_s: Sequence[float]
    api_waits_s: Sequence[float]
    rest_s: float
    breaches: Sequence[str]

    def __str__(self) -> str:
        lines = [
            f"faults: {_counts(self.faults)}",
            f"services that ended by themselves: {_counts(self.ended_alone) or 'none'}",
            f"did: {_counts(self.did)}",
            f"batches of killed workers, until the next claim: {spread(self.lease_waits_s)}",
            f"after the API or Postgres was started, until the next 202: {spread(self.api_waits_s)}",
            f"after everything ran again, until the last report ended: {self.rest_s:.1f} s",
            *(f"BROKEN: {breach}" for breach in self.breaches),
            f"seed {self.seed}: {f'{len(self.breaches)} broken' if self.breaches else 'every promise kept'}",
        ]
        return "\n".join(lines)


def logged(logs: Path) -> Mapping[str, list[str]]:
    """Of each event that is counted the values of its field, from the logs of all services."""
    found: dict[str, list[str]] = {event: [] for event in _FIELD}
    for log in logs.glob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("{") and line.endswith("}"):
                record = json.loads(line)
                if record.get("event") in found:
                    found[record["event"]].append(str(record[_FIELD[record["event"]]]))
    return found


def spread(values_s: Sequence[float]) -> str:
    """Median, 99th percentile and maximum."""
    if not values_s:
        return "none measured"
    p50, p99 = quantile(values_s, 0.5), quantile(values_s, 0.99)
    return f"p50 {p50:.1f} s, p99 {p99:.1f} s, longest {max(values_s):.1f} s of {len(values_s)}"


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
