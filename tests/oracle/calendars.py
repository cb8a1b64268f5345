"""Dated hours, special days, lifetimes and closures of one store, date by date and instant by instant.

As slow and obvious as `accounting.py`, and sharing no line with the engine either.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from tests.oracle.accounting import (
    EPOCH,
    HoursRow,
    Parts,
    Poll,
    Span,
    account_parts,
    earliest_us,
    in_order,
    instant_us,
    union,
    window_bounds,
)

DAY_S = 86_400


class Version(NamedTuple):
    """Weekly hours from a local date on; without rows open around the clock."""

    effective_from: date | None
    rows: Sequence[HoursRow]


class Closure(NamedTuple):
    starts_us: int
    ends_us: int | None
    treatment: str


class Terms(NamedTuple):
    """All that decides when a store is asked about. Special days: for a date its (opening, closing) seconds."""

    versions: Sequence[Version]
    special: Mapping[date, Sequence[tuple[int, int]]] = {}
    opened_us: int | None = None
    closed_us: int | None = None
    closures: Sequence[Closure] = ()


def account_terms(
    zone: str | None,
    terms: Terms,
    polls: Iterable[Poll],
    as_of_us: int,
    policy: str,
    windows: Mapping[str, int | str],
    excluded: Sequence[str] = (),
) -> dict[str, dict[str, int]]:
    """What `account` gives, of a store with such terms. The time of polls with the `excluded` reasons is left out."""
    zone = zone or "America/Chicago"
    counted = in_order(polls, as_of_us)
    bounds = {name: window_bounds(zone, as_of_us, window) for name, window in windows.items()}
    parts = parts_of(zone, terms, earliest_us(bounds, counted), as_of_us)
    return account_parts(parts, counted, as_of_us, policy, bounds, excluded)


def parts_of(zone: str, terms: Terms, first_us: int, last_us: int) -> Parts:
    """The scheduled time around the given range, and some days more on either side, by treatment."""
    pieces: dict[str, list[Span]] = {"measured": [], "exclude": [], "as_up": []}
    for span in scheduled(zone, terms, first_us, last_us):
        for piece, treatment in treated(span, terms.closures):
            pieces[treatment].append(piece)
    return Parts(pieces["measured"], pieces["exclude"], pieces["as_up"])


def scheduled(zone: str, terms: Terms, first_us: int, last_us: int) -> list[Span]:
    """The opening hours of each date, cut to the lifetime."""
    first_date = (EPOCH + timedelta(microseconds=first_us)).date() - timedelta(days=19)
    last_date = (EPOCH + timedelta(microseconds=last_us)).date() + timedelta(days=2)
    dates = [first_date + timedelta(days=days) for days in range((last_date - first_date).days)]
    intervals = [
        Span(instant_us(zone, day, opens_s), instant_us(zone, day, closes_s))
        for day in dates
        for opens_s, closes_s in intervals_on(day, terms)
    ]
    spans = union(interval for interval in intervals if interval.open_us < interval.close_us)
    lived = [
        Span(
            span.open_us if terms.opened_us is None else max(span.open_us, terms.opened_us),
            span.close_us if terms.closed_us is None else min(span.close_us, terms.closed_us),
        )
        for span in spans
    ]
    return [span for span in lived if span.open_us < span.close_us]


def intervals_on(day: date, terms: Terms) -> list[tuple[int, int]]:
    """Opening and closing of each interval that opens on this date, in seconds from its 00:00."""
    if day in terms.special:
        given = list(terms.special[day])
    else:
        rows = in_force(day, terms.versions).rows
        given = [(row.opens_s, row.closes_s) for row in rows if row.day_of_week == day.weekday()]
        if not rows:
            return [(0, DAY_S)]
    return [(opens_s, closing(opens_s, closes_s)) for opens_s, closes_s in given]


def closing(opens_s: int, closes_s: int) -> int:
    if closes_s in {DAY_S - 60, DAY_S - 1}:
        return DAY_S
    return closes_s if closes_s > opens_s else closes_s + DAY_S


def in_force(day: date, versions: Sequence[Version]) -> Version:
    """The latest version that has begun; before the first date the earliest version."""
    by_date = sorted(versions, key=lambda version: version.effective_from or date.min)
    begun = [version for version in by_date if (version.effective_from or date.min) <= day]
    return begun[-1] if begun else by_date[0]


def treated(span: Span, closures: Sequence[Closure]) -> list[tuple[Span, str]]:
    """The span in its largest pieces of one treatment each: every instant where a closure begins or ends may part it."""
    spells = [
        (closure.starts_us, span.close_us if closure.ends_us is None else closure.ends_us, closure.treatment)
        for closure in closures
    ]
    edges = {span.open_us, span.close_us} | {
        edge for starts_us, ends_us, _ in spells for edge in (starts_us, ends_us)
    }
    pieces: list[tuple[Span, str]] = []
    for begin_us, end_us in pairwise(sorted(edge for edge in edges if span.open_us <= edge <= span.close_us)):
        treatments = {
            treatment for starts_us, ends_us, treatment in spells if starts_us <= begin_us < ends_us
        }
        treatment = next((name for name in ("exclude", "as_up") if name in treatments), "measured")
        continues = bool(pieces) and pieces[-1][1] == treatment
        piece = Span(pieces.pop()[0].open_us if continues else begin_us, end_us)
        pieces.append((piece, treatment))
    return pieces


def inherited(
    own: Mapping[date, Sequence[tuple[int, int]]],
    calendars: Mapping[str, Mapping[date, Sequence[tuple[int, int]]]],
) -> dict[date, Sequence[tuple[int, int]]]:
    """A store's special days, given its own and the calendars that its labels choose, by name."""
    special: dict[date, Sequence[tuple[int, int]]] = {}
    for name in sorted(calendars, reverse=True):
        special.update(calendars[name])
    return special | dict(own)
