"""The page of the fleet, from the rows of the report's CSV: sums, how stores are distributed, and the longest downtimes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from services.worker.columns import Column
from services.worker.formats.plain import plain_text
from services.worker.printed.figures import Figures, describe_figures
from services.worker.printed.store_page import MOST_LABELS
from services.worker.printed.store_sheet import SheetTerms
from services.worker.provenance import FileContents
from shared.pictures.words import NO_VALUE, length, plain, share, thousands
from shared.uptime.policy import HOUR_US, MINUTE_US

MOST_STORES: Final = 200  # of a report that prints a page for each store
_LOWEST: Final = 20
_UNITS_US: Final[Mapping[str, int]] = {"minutes": MINUTE_US, "hours": HOUR_US}
# Percentages from which on a store belongs to a class, and the name of each.
_CLASSES: Final = (
    (100.0, "100 %"),
    (99.9, "99.9 % and more"),
    (99.0, "99 % and more"),
    (95.0, "95 % and more"),
    (90.0, "90 % and more"),
    (0.0, "less"),
)
# What a full CSV does not need `detail` for.
_TIMES: Final = ("up_us", "down_us", "unknown_us", "excluded_us")


@dataclass
class FleetRows:
    """What the rows of a report add up to. `few` has the figures of each store while there are at most `MOST_STORES`."""

    columns: Sequence[Column]
    terms: SheetTerms
    stores: int = 0
    sums_us: dict[tuple[str, int], float] = field(default_factory=dict)
    classes: list[int] = field(default_factory=lambda: [0] * (len(_CLASSES) + 1))
    worst: list[tuple[float, float, str]] = field(default_factory=list)
    few: dict[str, list[Figures]] = field(default_factory=dict)

    def add(self, rows: pa.RecordBatch) -> None:
        """Add rows of the CSV."""
        rows = plain_text(rows)
        times = self._times_us(rows)
        for column, values in times.items():
            self.sums_us[column] = self.sums_us.get(column, 0.0) + float(values.sum())
        up_us, down_us = times["up_us", self.terms.main], times["down_us", self.terms.main]
        self._classify(up_us, down_us)
        ids = rows.column(0)
        for place in np.argsort(-down_us, kind="stable")[:_LOWEST].tolist():
            self.worst.append((float(down_us[place]), float(up_us[place]), ids[place].as_py()))
        self.worst = sorted(self.worst, key=lambda one: (-one[0], one[2]))[:_LOWEST]
        self.stores += len(rows)
        if self.stores <= MOST_STORES:
            for place, store_id in enumerate(ids.to_pylist()):
                self.few[store_id] = [
                    _take_figures({name: times.get((name, window)) for name in _TIMES}, place)
                    for window in range(len(self.terms.windows))
                ]
        else:
            self.few = {}

    def _times_us(self, rows: pa.RecordBatch) -> dict[tuple[str, int], Any]:
        return {
            (column.measure, column.window_no): rows.column(place).to_numpy() * _UNITS_US[column.unit]
            for place, column in enumerate(self.columns)
            if column.measure in _TIMES
        }

    def _classify(self, up_us: Any, down_us: Any) -> None:
        known_us = up_us + down_us
        with np.errstate(invalid="ignore"):
            percent = np.where(known_us > 0, 100 * up_us / known_us, -1.0)
        rest = percent >= 0
        for place, (lowest, _) in enumerate(_CLASSES):
            chosen = rest & (percent >= lowest)
            self.classes[place] += int(chosen.sum())
            rest &= ~chosen
        self.classes[-1] += int((percent < 0).sum())

    @property
    def named(self) -> set[str]:
        """The ids of the stores that are printed."""
        return {*self.few, *(store_id for _, _, store_id in self.worst)}

    def totals(self) -> list[Figures]:
        """Return the sums of each window."""
        return [
            _take_figures({name: self.sums_us.get((name, window)) for name in _TIMES})
            for window in range(len(self.terms.windows))
        ]


def describe_fleet(
    fleet: FleetRows, totals: Sequence[Figures], contents: FileContents, names: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the page of the fleet shows. `totals` are the figures of all stores together, `names` by id."""
    windows = fleet.terms.windows
    known = [name for _, name in _CLASSES] + ["nothing known"]
    most = max(fleet.classes) or 1
    return {
        "stores": thousands(fleet.stores),
        "failed": int(contents.provenance["stores_failed"]),
        "main": windows[fleet.terms.main].name.replace("_", " "),
        "windows": describe_figures(windows, totals, [""] * len(windows)),
        "classes": [
            {"name": name, "stores": thousands(number), "part": round(number / most, 4)}
            for name, number in zip(known, fleet.classes, strict=True)
        ],
        "worst": [
            {
                "id": plain(store_id),
                "name": plain(names.get(store_id, "")),
                "share": share(round(up_us), round(down_us)),
                "down": length(round(down_us)),
            }
            for down_us, up_us, store_id in fleet.worst
            if down_us > 0
        ],
        "has_pages": bool(fleet.few),
        "most_pages": MOST_STORES,
    }


def describe_report(contents: FileContents, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return where the numbers come from, for each page."""
    given = contents.provenance
    return {
        "id": str(given["report_id"]),
        "as_of": str(given["as_of"])[:19].replace("T", " "),
        "policy": str(given["policy"]),
        "policy_version": str(given["policy_version"]),
        "cut": thousands(int(given["data_cut"])),
        "tzdata": str(given["tzdata_version"]) or NO_VALUE,
        "sha256": str(given["csv_sha256"]),
        "labels": [
            *(f"{plain(name)}={plain(value)}" for name, value in sorted(labels.items())[:MOST_LABELS]),
            *(f"without {word}" for word in str(given.get("exclude_reasons", "")).split()[:MOST_LABELS]),
        ],
    }


def add_up(stores: Iterable[Sequence[Figures]], windows: int) -> list[Figures]:
    """Return the figures of stores together."""
    of_stores = list(stores)
    return [
        Figures(
            **{
                name: _sum([getattr(each[window], name) for each in of_stores])
                for name in (*_TIMES, "open_us")
            }
        )
        for window in range(windows)
    ]


def _sum(parts: Sequence[int | None]) -> int | None:
    """Return a sum. It is unknown if a part is, and without parts."""
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def _take_figures(times_us: Mapping[str, Any], place: int | None = None) -> Figures:
    """Return figures from sums, or from arrays at a place. Open time is what it is made of."""
    found = {
        name: None if value is None else round(value if place is None else float(value[place]))
        for name, value in times_us.items()
    }
    return Figures(**found, open_us=_sum([found[name] for name in ("up_us", "down_us", "unknown_us")]))
