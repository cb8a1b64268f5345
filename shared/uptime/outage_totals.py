"""Sum up the outages of each store: how many, the longest, and what mean times to repair and between failures need.

Works on arrays only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.uptime.intervals import Int64s
from shared.uptime.outages import End, Outages


@dataclass(frozen=True, slots=True)
class OutageTotals:
    """Numbers in shape (stores, windows). `longest_us` is the largest down time of one outage, 0 if there is none.

    The mean time to repair is `ended_down_us / ended`: of the outages that have ended. The mean time between failures
    is the uptime divided by `began`, the outages that began in the window. Sums over stores divide in the same way.
    """

    outages: Int64s
    longest_us: Int64s
    ended: Int64s
    ended_down_us: Int64s
    began: Int64s


def outage_totals(found: Sequence[Outages], stores: int) -> OutageTotals:
    """Return the totals of the outages in each window, in the order of the windows."""
    totals = [_totals_of(outages, stores) for outages in found]
    return OutageTotals(*(np.column_stack(values) for values in zip(*totals, strict=True)))


def _totals_of(outages: Outages, stores: int) -> tuple[Int64s, ...]:
    ended = outages.end != End.ONGOING
    longest_us = np.zeros(stores, dtype=np.int64)
    np.maximum.at(longest_us, outages.store, outages.down_us)
    ended_down_us = np.zeros(stores, dtype=np.int64)
    np.add.at(ended_down_us, outages.store[ended], outages.down_us[ended])
    return (
        np.bincount(outages.store, minlength=stores),
        longest_us,
        np.bincount(outages.store[ended], minlength=stores),
        ended_down_us,
        np.bincount(outages.store[~outages.starts_before_window], minlength=stores),
    )
