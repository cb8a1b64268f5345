"""Loads the parts of one delivery: what one command, archive, upload or finished batch brings together.

All files except polls are staged one after the other. If none of them was refused, they take effect; otherwise they are
held: stores keep what they had. The rows of a store that is in several files of hours, or of special hours, are a union.
Across deliveries the later one replaces.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from services.ingest.import_result import ImportResult
from services.ingest.parse.kinds import FACTS, UNITED_KINDS
from services.ingest.sources.source import ResolvedSource, Source
from services.ingest.write.contradictions import StagedPart
from services.ingest.write.step import LOAD, Step
from shared.ids import new_id

T = TypeVar("T")
# Loads a source under the import with this id, or under one that it claims.
LoadSource = Callable[[Source, UUID | None, Step], ImportResult]
Part = tuple[ResolvedSource, T, UUID | None]


def load_parts(parts: Sequence[Part[T]], load: LoadSource) -> Iterator[tuple[T, ImportResult]]:
    """Load all parts in load order. Yield what each belongs to, and its result.

    If the delivery ends early, no import keeps the state `running`: those with staged rows can resume.
    """
    ordered = sorted(parts, key=lambda part: part[0].load_order)
    staged: dict[int, ImportResult] = {}
    try:
        yield from _stage_and_apply(ordered, load, staged)
    except BaseException as end:
        with suppress(Exception):  # the first error matters more
            for place, result in staged.items():
                if result.state == "running":
                    load(ordered[place][0], result.id, Step(ended_by=end))
        raise


def _stage_and_apply(
    ordered: Sequence[Part[T]], load: LoadSource, staged: dict[int, ImportResult]
) -> Iterator[tuple[T, ImportResult]]:
    """Stage the parts that wait for others, then let all take effect. `staged` has the results so far."""
    unloaded: list[str] = []
    for place, step in plan_staging([source for source, _, _ in ordered], new_id()):
        source, _, import_id = ordered[place]
        staged[place] = load(source, import_id, step)
    refused = {import_id for result in staged.values() for import_id in result.refused}
    for place, result in staged.items():
        unloaded += _name_unloaded(ordered[place][0], result, refused)
    beside = [
        StagedPart(result.id, result.kind, result.source)
        for result in staged.values()
        if result.state == "running" and result.id and result.kind
    ]
    for place, (source, owner, import_id) in enumerate(ordered):
        result = staged.get(place) or load(source, import_id, LOAD)
        if result.state == "running":
            applied = load(source, result.id, Step(held_by=unloaded, beside=beside))
            if result.id not in refused:
                unloaded += _name_unloaded(source, applied)
            result = staged[place] = replace(applied, resumed_at_byte=result.resumed_at_byte)
        yield owner, result


def plan_staging(sources: Sequence[ResolvedSource], delivery_id: UUID) -> Iterator[tuple[int, Step]]:
    """Yield the place and the step of each source that must be staged before any of them takes effect."""
    local = [place for place, source in enumerate(sources) if source.kind != "polls"]
    if len(local) == 1:
        return
    for place in local:
        source = sources[place]
        alike = [each for each in local if sources[each].kind == source.kind]
        if not source.is_rereadable:
            # Its rows cannot wait.
            yield place, LOAD
        elif source.kind in UNITED_KINDS and len(alike) > 1:
            yield place, Step(stage_only=True, delivery_id=delivery_id, is_last=place == alike[-1])
        else:
            yield place, Step(stage_only=True, may_skip=not _is_set_twice(source, local, sources))


def _is_set_twice(source: ResolvedSource, local: Sequence[int], sources: Sequence[ResolvedSource]) -> bool:
    """Return whether another file sets what this one sets."""
    if not source.kind or source.kind not in FACTS:
        return False
    others = (sources[place].kind for place in local if sources[place] is not source)
    return any(FACTS[source.kind] & FACTS.get(kind, frozenset()) for kind in others if kind)


def _name_unloaded(
    source: ResolvedSource, result: ImportResult, refused: Collection[UUID | None] = ()
) -> Sequence[str]:
    """Return the name of a file if it holds back the rest of its delivery."""
    may_be_local = (result.kind or source.kind) != "polls"
    is_unloaded = result.id in refused or (
        result.state not in {"running", "succeeded"} and not result.is_held
    )
    return [source.name] if may_be_local and is_unloaded else []
