"""Compute a batch without the stores that cannot be computed. A batch without such a store is computed once, as a whole."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from shared.errors import InfrastructureError
from shared.inputs.batch_input import BatchInput
from shared.uptime.faults import StoreFault, find_faults

_log = structlog.get_logger()
# The fault of a machine or a server: no store is to blame, and the batch is tried again.
_NOT_OF_A_STORE = (InfrastructureError, MemoryError, OSError)
_SHOWN_CHARACTERS = 300
Faults = Sequence[tuple[int, StoreFault]]
T = TypeVar("T")


def find_failing_stores(given: BatchInput, compute: Callable[[BatchInput], T]) -> tuple[T, Faults]:
    """Return the result of all stores that can be computed, and the faults of the others by ascending index.

    1. Leave out the stores whose zone or hours are invalid. The accounting might compute wrong numbers from them.
    2. Compute the rest at once. If that raises, halve it until the stores that raise are found, and leave them out too.
    3. If every store raises, the fault is not theirs: raise the first error, which counts as a failed claim.
    """
    faults = dict(find_faults(given.zones, given.hours, given.adjustments))
    try:
        return compute(given.keep(_list_others(given, faults))), sorted(faults.items())
    except _NOT_OF_A_STORE:
        raise
    except Exception:
        _log.exception("stores_computed_apart")
        places = _list_others(given, faults)
        raising = _find_raising(given, places, compute)
        if len(raising) == len(places) > 1 or not raising:
            raise
        faults |= {place: _describe_error(error) for place, error in raising.items()}
    return compute(given.keep(_list_others(given, faults))), sorted(faults.items())


def _list_others(given: BatchInput, faults: dict[int, StoreFault]) -> list[int]:
    return [place for place in range(len(given.store_ids)) if place not in faults]


def _find_raising(
    given: BatchInput, places: Sequence[int], compute: Callable[[BatchInput], object]
) -> dict[int, Exception]:
    raising: dict[int, Exception] = {}
    groups = [places]
    while groups:
        group = groups.pop()
        try:
            compute(given.keep(group))
        except _NOT_OF_A_STORE:
            raise
        except Exception as error:  # noqa: BLE001 - it is recorded for its store
            middle = len(group) // 2
            if middle:
                groups += [group[:middle], group[middle:]]
            else:
                raising[group[0]] = error
    return raising


def _describe_error(error: Exception) -> StoreFault:
    cause = f"{type(error).__name__}: {error}".replace("\0", "")[:_SHOWN_CHARACTERS]
    return StoreFault("not_computed", f"the computation failed with {cause}: see the log of the workers")
