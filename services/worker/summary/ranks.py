"""The stores with the lowest and the highest availability. Works on arrays; knows the order, and no file."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from services.worker.summary.sections import NUMBERS, RANKED
from shared.uptime.intervals import Int64s

_UP, _DOWN = NUMBERS.index("up_us"), NUMBERS.index("down_us")
_PER_THOUSAND: Final = 1_000


def rank_stores(store_ids: Sequence[str], numbers: Int64s) -> Iterator[tuple[str | int, ...]]:
    """Yield a row for each of the first stores of both ranks: section, store, numbers. Stores without known time have none.

    `numbers` has a row of `NUMBERS` per store. Of stores with equal availability, those with the most downtime are the
    lowest and those with the most uptime the highest; then the order of the stores decides.
    """
    for section, order in rank_places(numbers[:, _UP], numbers[:, _DOWN]).items():
        for place in order[:RANKED].tolist():
            yield section, store_ids[place], *numbers[place].tolist()


def rank_places(up_us: Int64s, down_us: Int64s) -> dict[str, Int64s]:
    """Return the places of all stores that have a rank, in the order of each rank."""
    known_us = up_us + down_us
    ranked = np.flatnonzero(known_us > 0)
    up_us, down_us = up_us[ranked], down_us[ranked]
    share = _shares_ppm(up_us, known_us[ranked])
    return {
        "lowest": ranked[np.lexsort((-down_us, share))],
        "highest": ranked[np.lexsort((-up_us, -share))],
    }


def _shares_ppm(up_us: Int64s, known_us: Int64s) -> Int64s:
    """Return shares in parts per million, rounded down. In two steps, because a year in microseconds times a million overflows."""
    thousands, rest = np.divmod(up_us * _PER_THOUSAND, known_us)
    shares: Int64s = thousands * _PER_THOUSAND + rest * _PER_THOUSAND // known_us
    return shares
