"""Sentences for what the quality report says about single stores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from services.ingest.parse.encodings import READ_AS_CP1252
from services.ingest.parse.reasons import BROKEN_ROW_REASONS
from shared.diagnostics.registry import DIAGNOSTICS, DataFinding, keep_largest
from shared.store_ids import NO_ID
from shared.texts import count_of, quoted

# Of the hours that a file brings; those of several files are added up.
HOURS_FIGURES = frozenset({"hours_rows", "seams_snapped", "overlapping_hours"})
_SHOWN = 20  # stores of each kind, and columns; the quality report of the import lists more


def list_warnings(quality: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each note and for each store left as it was or with far shorter hours than before."""
    yield from quality.get("notes", ())
    if quality.get("encoding") == "cp1252":
        yield READ_AS_CP1252
    if unread := quality.get("columns_not_read"):
        yield describe_unread(unread)
    if assumed := quality.get("assumed_utc"):
        yield f"timestamps without a time zone, read as UTC: {assumed:,}"
    for one in quality.get("left_out", ()):
        yield f"{one['name']} was left out: {one['reason']}"
    yield from _list_stores(
        quality, "stores_unchanged", ("keeps what it had", "keep what they had"), _describe_unchanged
    )
    yield from _list_stores(
        quality,
        "stores_shrunk",
        ("loses more than half of its hours", "lose more than half of their hours"),
        _describe_shrunk,
    )
    yield from _list_stores(
        quality, "look_alikes", ("looks like another one", "look like another one"), _describe_look_alikes
    )


def list_findings(reports: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each diagnostic that found something in the stores of a run's files, except notices."""
    listed = [one for quality in reports for one in quality.get("diagnostics", ())]
    # A service of a later release may have more diagnostics.
    findings = [
        DataFinding(one["name"], one["count"], one["examples"])
        for one in listed
        if one["severity"] != "notice" and one["name"] in DIAGNOSTICS
    ]
    return [one.sentence for one in keep_largest(findings)]


def describe_unread(names: Sequence[str]) -> str:
    """Return a sentence for the columns of a file that are not read."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"columns that are not read: {', '.join(map(quoted, names[:_SHOWN]))}{more}"


def _list_stores(
    quality: Mapping[str, Any], name: str, what: tuple[str, str], describe: Any
) -> Iterator[str]:
    listed = quality.get(f"{name}_list", ())
    # The stores that are now treated as open 24x7 come first.
    for store in sorted(listed, key=lambda store: not store.get("without_hours"))[:_SHOWN]:
        yield describe(store)
    if (more := quality.get(name, 0) - min(len(listed), _SHOWN)) > 0:
        yield f"{count_of(more, 'more store')} {what[more > 1]}"


def _describe_unchanged(store: Mapping[str, Any]) -> str:
    name, why = store["store_id"], f"line {store['line']:,} was rejected ({store['reason']})"
    if store["reason"] == NO_ID:
        why = (
            f"line {store['line']:,} has no store id, and may be a row of {name!r}: write the id in every row"
        )
    has, counts_as, kept = _describe_lack(store)
    if store.get("unknown") and store["reason"] in BROKEN_ROW_REASONS:
        return f"{why}, and names {name!r}, which does not exist: a store may lack this row. Correct the line"
    if store.get("unknown") and has:
        return (
            f"if {name!r} is a store, it {has} and counts as {counts_as}: no store has this id yet, and {why}"
        )
    if store.get("unknown"):
        return f"no store has the id {name!r} yet: {why}"
    return (
        f"store {name} {has} and counts as {counts_as}: {why}" if has else f"store {name} keeps {kept}: {why}"
    )


def _describe_lack(store: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what the store lacks and how it counts without it, both empty if it lacks nothing, and what it keeps."""
    if "without_hours" in store:
        lack = ("HAS NO HOURS", "open 24x7") if store["without_hours"] else ("", "")
        return *lack, "the hours it had"
    if "without_zone" in store:
        lack = ("has no time zone", "America/Chicago") if store["without_zone"] else ("", "")
        return *lack, "the time zone it had"
    return "", "", "what it had"


def _describe_look_alikes(pair: Mapping[str, Any]) -> str:
    return f"stores {pair['store_id']} and {pair['other']} look alike, and are two stores: correct the id if they are one"


def _describe_shrunk(store: Mapping[str, Any]) -> str:
    start = store.get("effective_from")
    is_open = (
        f"is open {store['hours_after']:g} h a week from {start} on"
        if start
        else f"is now open {store['hours_after']:g} h a week"
    )
    return f"store {store['store_id']} {is_open}; it was {store['hours_before']:g} h"
