"""Loads the parts of one delivery: what one command, archive, upload or finished batch brings together.

Files of hours are staged one after the other, and then take effect together: the rows of a store that is in several of
them are a union. So do files of special hours. Across deliveries the later one replaces.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from services.ingest.parse.kinds import UNITED_KINDS
from services.ingest.sources.source import ResolvedSource, Source
from services.ingest.write.import_result import ImportResult
from shared.ids import new_id

T = TypeVar("T")
# Loads a source under the import with this id, or under one that it claims; with a delivery's id, only stages it.
LoadSource = Callable[[Source, UUID | None, UUID | None], ImportResult]
Part = tuple[ResolvedSource, T, UUID | None]


def load_parts(parts: Sequence[Part[T]], load: LoadSource) -> Iterator[tuple[T, ImportResult]]:
    """Load all parts in load order. Yield what each belongs to, and its result."""
    ordered = sorted(parts, key=lambda part: part[0].load_order)
    shared_id = new_id()
    staged: dict[int, ImportResult] = {}
    for part in ordered:
        source, owner, import_id = part
        alike = [each for each in ordered if each[0].kind == source.kind]
        if source.kind in UNITED_KINDS and len(alike) > 1:
            if id(part) not in staged:
                staged |= {id(each): load(each[0], each[2], shared_id) for each in alike}
            yield owner, _finish_staged(source, staged[id(part)], load)
        else:
            yield owner, load(source, import_id, None)


def _finish_staged(source: Source, staged: ImportResult, load: LoadSource) -> ImportResult:
    """Apply the delivery's staged hours. The first call applies those of all its files."""
    if staged.state != "running":
        return staged
    return replace(load(source, staged.id, None), resumed_at_byte=staged.resumed_at_byte)
