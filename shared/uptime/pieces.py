"""The scheduled time of one store in pieces: measured, excluded or counted as up, and the closure that made each.

Names what `closures.py` has decided and decides nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.uptime.borders import Rule, SpanEdges
from shared.uptime.calendar import Spans
from shared.uptime.closures import Schedule, Treatment
from shared.uptime.store_terms import StoreClosure, StoreTerms


@dataclass(frozen=True, slots=True)
class Piece:
    """Scheduled time of one treatment. `closure` is None if the time is measured."""

    begin_us: int
    end_us: int
    closure: StoreClosure | None = None


def pieces_of(schedule: Schedule, closures: Sequence[StoreClosure]) -> list[Piece]:
    """Return the scheduled time of store 0 in order. Where closures of one treatment overlap, the earliest decides."""
    measured = [Piece(begin_us, end_us) for begin_us, end_us in _pairs(schedule.measured)]
    if not closures:
        return measured
    closed = [
        piece
        for spans, treatment in (
            (schedule.excluded, Treatment.EXCLUDE),
            (schedule.as_up, Treatment.AS_UP),
        )
        for begin_us, end_us in _pairs(spans)
        for piece in _parted(begin_us, end_us, [one for one in closures if one.treatment is treatment])
    ]
    return sorted([*measured, *closed], key=lambda piece: piece.begin_us)


def edges_of(pieces: Sequence[Piece], store: StoreTerms) -> SpanEdges:
    """Return why each piece begins and ends: the hours, the lifetime, or a closure where two pieces touch."""
    begins, ends = {piece.begin_us for piece in pieces}, {piece.end_us for piece in pieces}
    opens = dict.fromkeys(begins, Rule.EDGE) | dict.fromkeys(begins & ends, Rule.CLOSURE)
    closes = dict.fromkeys(ends, Rule.EDGE) | dict.fromkeys(begins & ends, Rule.CLOSURE)
    return SpanEdges(_with_lifetime(opens, store.opened_us), _with_lifetime(closes, store.closed_us))


def joined(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """Return the spans that pieces in order make up: those that touch become one."""
    spans: list[tuple[int, int]] = []
    for piece in pieces:
        if spans and spans[-1][1] == piece.begin_us:
            spans[-1] = spans[-1][0], piece.end_us
        else:
            spans.append((piece.begin_us, piece.end_us))
    return spans


def cut_to_window(pieces: Sequence[Piece], window_us: tuple[int, int]) -> list[Piece]:
    """Return the parts of the pieces inside a window."""
    start_us, end_us = window_us
    return [
        Piece(max(piece.begin_us, start_us), min(piece.end_us, end_us), piece.closure)
        for piece in pieces
        if max(piece.begin_us, start_us) < min(piece.end_us, end_us)
    ]


def _pairs(spans: Spans) -> Iterator[tuple[int, int]]:
    return zip(spans.open_us.tolist(), spans.close_us.tolist(), strict=True)


def _parted(begin_us: int, end_us: int, closures: Sequence[StoreClosure]) -> Iterator[Piece]:
    """Yield the parts of a stretch that closures cover without a gap, each by the closure that began first."""
    in_order = sorted(closures, key=lambda one: (one.starts_us, one.id))
    while begin_us < end_us:
        closure = next(one for one in in_order if _covers(one, begin_us))
        until_us = end_us if closure.ends_us is None else min(closure.ends_us, end_us)
        yield Piece(begin_us, until_us, closure)
        begin_us = until_us


def _covers(closure: StoreClosure, at_us: int) -> bool:
    return closure.starts_us <= at_us and (closure.ends_us is None or at_us < closure.ends_us)


def _with_lifetime(edges: Mapping[int, Rule], at_us: int | None) -> Mapping[int, Rule]:
    return edges if at_us is None or at_us not in edges else {**edges, at_us: Rule.LIFETIME}
