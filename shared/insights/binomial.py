"""Exact tails of the binomial distribution for whole arrays, and which of many tests to believe.

numpy alone: `scipy.stats` would do the same and would add 100 MB to the images of the workers.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
_TINY: Final = 1e-300
_NEGLIGIBLE: Final = 1e-17


def upper_tails(hits: Ints, trials: Ints, rate: Doubles) -> Doubles:
    """Return the probability of at least this number of hits, each with a rate, for arrays of one shape.

    Sums the terms of the tail until they no longer matter.
    """
    most = int(trials.max(initial=0))
    log_factorials = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, most + 1)))))
    rate = np.clip(rate, _TINY, 1.0)
    log_hit, log_miss = np.log(rate), np.log1p(-np.minimum(rate, 1 - 1e-16))
    tails = np.zeros(hits.shape)
    for further in range(most + 1):
        number = np.minimum(hits + further, trials)
        misses = trials - number
        logs = log_factorials[trials] - log_factorials[number] - log_factorials[misses]
        logs = logs + number * log_hit + misses * log_miss
        terms = np.where(hits + further <= trials, np.exp(np.minimum(logs, 0)), 0)
        tails += terms
        # Terms rise to the largest one and then fall.
        if (terms <= _NEGLIGIBLE * tails).all():
            break
    return np.where(hits <= 0, 1.0, np.minimum(tails, 1.0))


def believed(p_values: Doubles, tests: int, false_share: float) -> NDArray[np.bool_]:
    """Return which tests to believe, so that the expected share of false ones among them is at most `false_share`.

    `tests` counts all tests, also those whose large p-values are not given (Benjamini and Hochberg, 1995).
    """
    order = np.argsort(p_values)
    limits = false_share * np.arange(1, len(order) + 1) / max(tests, 1)
    passed = np.flatnonzero(p_values[order] <= limits)
    result = np.zeros(len(order), dtype=np.bool_)
    if len(passed):
        result[order[: passed[-1] + 1]] = True
    return result
