"""The quality report of an import as lines for people: what it says about the data, and what to check."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.api.web.words import utc
from shared.diagnostics.registry import DIAGNOSTICS, Diagnostic
from shared.pictures.words import length
from shared.texts import count_of

_SECOND_US = 1_000_000
# Lists of stores in the report: how the number of further ones reads.
_LISTS = {
    "stores_unchanged": "stores keep what they had, because a row of theirs was rejected",
    "stores_shrunk": "stores lose more than half of their hours",
    "look_alikes": "pairs of stores look alike, and are two stores",
}


@dataclass(frozen=True)
class FoundCase:
    """A diagnostic that found something."""

    diagnostic: Diagnostic
    count: int
    examples: Sequence[str]


@dataclass(frozen=True)
class QualityLines:
    """A quality report; empty until the import has ended."""

    report: Mapping[str, Any]

    @property
    def reject_counts(self) -> Mapping[str, int]:
        """Rejected rows by reason."""
        return {str(name): int(count) for name, count in self.report.get("rejects", {}).items()}

    @property
    def facts(self) -> Sequence[tuple[str, str]]:
        """Labels and texts about the data."""
        return [*self._list_plan(), *self._list_stores(), *self._list_polls()]

    @property
    def warnings(self) -> Sequence[str]:
        """What to check, one sentence each."""
        return list(self._list_warnings())

    @property
    def cases(self) -> Sequence[FoundCase]:
        """What the diagnostics found in the stores that the files name."""
        return [
            FoundCase(DIAGNOSTICS[one["name"]], int(one["count"]), [str(each) for each in one["examples"]])
            for one in self.report.get("diagnostics", ())
            if one["name"] in DIAGNOSTICS  # a service of a later release may have more
        ]

    def _list_plan(self) -> Iterator[tuple[str, str]]:
        if labels := self.report.get("labels"):
            yield "labels", ", ".join(map(str, labels))
        plan = self.report.get("plan") or {}
        if "stores" in plan:
            new = plan.get("new_stores", 0)
            changed = f"{count_of(plan['stores'], 'store')}, {new:,} of them new"
            yield "would change", changed if plan["stores"] else "no store"
        if plan.get("first_date"):
            yield "dates", f"{plan['first_date']} to {plan['last_date']}"
        if "rows_removed" in plan:
            yield "would remove", count_of(plan["rows_removed"], "stored row")

    def _list_stores(self) -> Iterator[tuple[str, str]]:
        found = self.report
        if "stores" in found:
            yield (
                "stores",
                f"{found['stores']:,} polled, {found.get('stores_never_polled', 0):,} never polled",
            )
            yield (
                "without hours",
                f"{found['stores_without_hours']:,} of the polled, which count as open 24x7",
            )
            yield "without zone", f"{found['stores_without_timezone']:,} of the polled, which use the default"
        if "hours_rows" in found:
            seams, overlaps = found["seams_snapped"], found["overlapping_hours"]
            yield (
                "hours",
                f"{found['hours_rows']:,} rows; {seams:,} end 23:59 (read as 24:00), {overlaps:,} overlap",
            )

    def _list_polls(self) -> Iterator[tuple[str, str]]:
        found = self.report
        if "stores_silent_24h" in found:
            newest = found.get("newest_poll")
            of_all = found.get("newest_poll_of_all", newest)
            own = f"{_minute(newest)} in these files" if newest else "none is new in these files"
            yield (
                "newest poll",
                _minute(of_all) if newest == of_all else f"{own}, {_minute(of_all)} of all stores",
            )
            yield (
                "silent",
                f"{found['stores_silent_24h']:,} stores have no poll in the 24 hours before the newest",
            )
        if found.get("gap_median_s") is not None:
            median, late = (length(int(found[name]) * _SECOND_US) for name in ("gap_median_s", "gap_p99_s"))
            yield "poll gap", f"half are at most {median}, and 99 % at most {late}"
            yield "outside hours", f"{found['share_outside_hours']:.1%} of the polls"

    def _list_warnings(self) -> Iterator[str]:
        found = self.report
        yield from map(str, found.get("notes", ()))
        if found.get("encoding") == "cp1252":
            yield "the file is not UTF-8 and was read as Windows-1252: check names with accents"
        if unread := found.get("columns_not_read"):
            yield f"columns that are not read: {', '.join(map(str, unread))}"
        if assumed := found.get("assumed_utc"):
            yield f"{assumed:,} timestamps without a time zone were read as UTC"
        for one in found.get("left_out", ()):
            yield f"{one['name']} was left out: {one['reason']}"
        for name, what in _LISTS.items():
            if count := found.get(name):
                listed = ", ".join(str(one["store_id"]) for one in found.get(f"{name}_list", ())[:5])
                yield f"{count:,} {what}: {listed}{', …' if count > 5 else ''}"  # noqa: PLR2004 - those listed


def _minute(instant: str) -> str:
    return f"{utc(datetime.fromisoformat(instant))} UTC"
