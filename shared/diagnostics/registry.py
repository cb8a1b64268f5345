"""The registry of diagnostics. Names are public: answers and quality reports have them, and a reference page lists them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["error", "warning", "notice"]
SHORT_SPAN_S: Final = 300
LONG_CLOSURE_DAYS: Final = 30
# A weekday counts as usual if at least this share of the stores with one label open on it, and the label has enough stores.
USUAL_SHARE: Final = 0.8
USUAL_STORES: Final = 5


@dataclass(frozen=True)
class Diagnostic:
    """Something to check. `text` describes one case; `counts` names what is counted."""

    severity: Severity
    text: str
    fix: str
    counts: str = "stores"


DIAGNOSTICS: Final[Mapping[str, Diagnostic]] = {
    "unknown_timezone": Diagnostic(
        "error",
        "the zone is not in the time zone database, so reports leave the store out",
        "set an IANA zone such as America/Chicago",
    ),
    "damaged_hours": Diagnostic(
        "error",
        "dated or special hours cannot be read, so reports leave the store out",
        "set these hours again",
    ),
    "overlapping_hours": Diagnostic(
        "warning",
        "opening intervals overlap; they count once",
        "correct the times: one of them probably belongs to another day",
    ),
    "short_span": Diagnostic(
        "warning",
        f"an opening lasts less than {SHORT_SPAN_S // 60} minutes",
        "correct the times: opening and closing may be swapped, or AM and PM",
    ),
    "closed_weekday": Diagnostic(
        "notice",
        f"there are no hours on a weekday on which at least {USUAL_SHARE:.0%} of the stores with the same label open",
        "check whether a row of the hours is missing",
    ),
    "skipped_local_time": Diagnostic(
        "warning",
        "special hours are on a date, or at a time, that the store's zone skips",
        "correct the date or the zone: a skipped date has no open time, and a skipped time is read as the one after it",
    ),
    "clock_change": Diagnostic(
        "notice",
        "hours begin or end at a local time that the store's zone skips or repeats within a year",
        "nothing, if the hours are right: a repeated time means its first occurrence",
    ),
    "polls_after_closed": Diagnostic(
        "warning",
        "the store was polled after its lifetime ended; these polls do not count",
        "correct closed_at, or stop polling the store",
    ),
    "polls_outside_hours": Diagnostic(
        "warning",
        "the store was polled for days, but never in its opening hours, so none of these polls counts",
        "check the hours and the zone; with a wrong zone, all times are some hours off",
    ),
    "long_closure": Diagnostic(
        "warning",
        f"a closure has no end or lasts longer than {LONG_CLOSURE_DAYS} days",
        "give it an end, or end the store's lifetime",
        "closures",
    ),
    "silent_since_hours_changed": Diagnostic(
        "warning",
        "no poll has come since the hours changed",
        "check the poller: the store may have another id now",
    ),
    "labels_of_no_store": Diagnostic(
        "warning",
        "no store has the labels",
        "correct the labels, or label the stores",
        "cases",
    ),
}


@dataclass(frozen=True)
class DataFinding:
    """What one diagnostic found: how many, and the first examples."""

    name: str
    count: int
    examples: Sequence[str]

    @property
    def severity(self) -> Severity:
        return DIAGNOSTICS[self.name].severity

    @property
    def sentence(self) -> str:
        """The finding for people, with what to do."""
        one = DIAGNOSTICS[self.name]
        more = ", …" if self.count > len(self.examples) else ""
        counts = one.counts.removesuffix("s") if self.count == 1 else one.counts
        return f"{one.text}: {self.count:,} {counts} ({', '.join(self.examples)}{more}); {one.fix}"


def keep_largest(findings: Iterable[DataFinding]) -> list[DataFinding]:
    """Return one finding of each diagnostic: files of the same stores find the same."""
    kept: dict[str, DataFinding] = {}
    for one in findings:
        if one.name not in kept or one.count > kept[one.name].count:
            kept[one.name] = one
    return list(kept.values())


def diagnostics_reference() -> str:
    """Return the reference page of all diagnostics."""
    rows = [
        f"| `{name}` | {one.severity} | {one.text} | {one.counts} | {one.fix} |"
        for name, one in DIAGNOSTICS.items()
    ]
    return "\n".join([_PAGE, *rows, ""])


_PAGE = """# Diagnostics

Values that are valid can still be wrong. `uptill doctor data` looks for such data in all stores. The quality
report of each import of hours, time zones, special hours, lifetimes or closures (`diagnostics`) has what applies
to the stores that the file names, except `closed_weekday` and `labels_of_no_store`, which need all stores. Files
of one kind that arrive together are reported with the first of them. The answer to a change of one store has in
`warnings` what applies to this store. Nothing is refused because of a diagnostic. Each names how many it found,
and the first few.

`polls_outside_hours` looks at polls of the 8 days up to the newest poll. It looks at 20,000 stores at most,
and at 1,000 at most of those that a file names. A store counts if its polls span two days, and if it is
unlikely that they miss its hours by chance: as many polls at random times would do so in 1 of 1,000 cases at
most.

`error`: reports leave the store out. `warning`: probably a mistake. `notice`: worth a look.

| name | severity | finding | counted | what to do |
|---|---|---|---|---|"""
