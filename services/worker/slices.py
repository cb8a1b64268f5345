"""Slice a batch that would read more polls than fit into memory: it was made large because facts were expected."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from services.worker.part import RenderedPart, render_part
from shared.inputs.batch_input import BatchInput
from shared.inputs.stores import Stores
from shared.reports.batch import Batch

# As many stores times days of polls as a full batch of a week's report reads.
_STORE_DAYS: Final = 40_000
# More than twice as much is refused.
MOST_STORE_DAYS: Final = 2 * _STORE_DAYS


class TooManyPolls(Exception):
    """The batch must be computed in `slices`, one after another."""

    def __init__(self, slices: Sequence[Batch]) -> None:
        super().__init__(f"{len(slices)} slices")
        self.slices = slices


def slice_batch(batch: Batch, stores: Stores, days: int) -> Sequence[Batch]:
    """Return slices that each can read the polls of this number of days. Only the first can have the report's header."""
    return list(_slice(batch, stores, max(1, _STORE_DAYS // days)))


def _slice(batch: Batch, stores: Stores, size: int) -> Iterator[Batch]:
    for first in range(0, len(stores.ids), size):
        ids = stores.ids[first : first + size]
        keys = None if batch.store_keys is None else stores.keys[first : first + size].tolist()
        number = batch.batch_no if first == 0 else max(1, batch.batch_no)
        yield replace(
            batch, batch_no=number, first_id=ids[0], last_id=ids[-1], stores=len(ids), store_keys=keys
        )


def render_batch(batch: Batch, load: Callable[[Batch], BatchInput]) -> RenderedPart:
    """Load and render a batch, in slices if it has too many polls."""
    loaded = load_or_render(batch, load)
    return render_part(batch, loaded) if isinstance(loaded, BatchInput) else loaded


def load_or_render(batch: Batch, load: Callable[[Batch], BatchInput]) -> BatchInput | RenderedPart:
    """Load a batch. If it has too many polls, load and render its slices one after another."""
    try:
        return load(batch)
    except TooManyPolls as error:
        return _join_parts([render_part(one, load(one)) for one in error.slices])


def _join_parts(parts: Sequence[RenderedPart]) -> RenderedPart:
    """Return the part of a batch from those of its slices, which have no further files."""
    spans = [part.facts_only for part in parts if part.facts_only is not None]
    return RenderedPart(
        b"".join(part.data for part in parts),
        [store for part in parts for store in part.failed],
        sum(part.left_out for part in parts),
        facts_only=(min(first for first, _ in spans), max(last for _, last in spans)) if spans else None,
    )
