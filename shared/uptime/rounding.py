"""Round microseconds to ten-thousandths of a unit so that the parts add up to the whole. Works on arrays only."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.uptime.intervals import Int64s
from shared.uptime.kernel import Measures
from shared.uptime.outage_totals import OutageTotals

Float64s = NDArray[np.float64]
PER_UNIT = 10_000
_PARTS = ("up_us", "down_us", "unknown_us")
_TIMES = ("open_us", *_PARTS, "up_min_us", "up_max_us", "excluded_us")


def round_times(measures: Measures, window_no: int, unit_us: int) -> Mapping[str, Int64s]:
    """Return the times of one window in ten-thousandths of the unit, by measure. Each array has one element per store.

    Open and excluded time are rounded half up. Up, down and unknown time are rounded by largest remainder (Hamilton's method), so
    they add up to the open time. The bounds are rounded outwards and stay within the open time.
    """
    times_us = {name: getattr(measures, name)[:, window_no] * PER_UNIT for name in _TIMES}
    open_time = (times_us["open_us"] + unit_us // 2) // unit_us
    up, down, unknown = _apportion([times_us[name] for name in _PARTS], unit_us, open_time)
    return {
        "up_us": up,
        "down_us": down,
        "unknown_us": unknown,
        "up_min_us": times_us["up_min_us"] // unit_us,
        "up_max_us": np.minimum(-(-times_us["up_max_us"] // unit_us), open_time),
        "excluded_us": (times_us["excluded_us"] + unit_us // 2) // unit_us,
    }


def round_outages(
    totals: OutageTotals, measures: Measures, window_no: int, unit_us: int
) -> Mapping[str, Float64s]:
    """Return the longest outage and the two mean times of one window, in ten-thousandths of the unit, rounded half up.

    A mean of nothing is not a number.
    """
    longest_us, up_us = totals.longest_us[:, window_no], measures.up_us[:, window_no]
    return {
        "longest_us": _mean(longest_us, np.ones_like(longest_us), unit_us),
        "mttr_us": _mean(totals.ended_down_us[:, window_no], totals.ended[:, window_no], unit_us),
        "mtbf_us": _mean(up_us, totals.began[:, window_no], unit_us),
    }


def _mean(total_us: Int64s, number: Int64s, unit_us: int) -> Float64s:
    divisor = np.maximum(number, 1) * unit_us
    rounded = (total_us * PER_UNIT + divisor // 2) // divisor
    return np.where(number > 0, rounded, np.nan)


def _apportion(parts: Sequence[Int64s], unit: int, whole: Int64s) -> list[Int64s]:
    """Divide each part by the unit. The largest remainders are rounded up; of equal ones, the earlier."""
    floors, remainders = zip(*(np.divmod(part, unit) for part in parts), strict=True)
    left = whole - sum(floors)
    return [floors[this] + (_rank_of(remainders, this) < left) for this in range(len(parts))]


def _rank_of(remainders: Sequence[Int64s], this: int) -> Int64s:
    """Return how many remainders rank before this one."""
    before: Int64s = np.zeros_like(remainders[this])
    for other, remainder in enumerate(remainders):
        if other < this:
            before += remainder >= remainders[this]
        elif other > this:
            before += remainder > remainders[this]
    return before
