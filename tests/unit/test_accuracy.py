"""The accounting page shows what the simulation gives, and the simulation has the truth it says it has."""

from pathlib import Path

import numpy as np
import pytest

from bench.accuracy import LOST, SHARE_DOWN, bounds_row, error_row, measure_accuracy
from bench.truth import AS_OF_US, CLOSES_US, DAYS, FIRST_US, OPENS_US, Outages, poll, simulate
from shared.uptime.policy import DAY_US, HOUR_US, MINUTE_US

_PAGE = Path("docs/explanation/accounting.md").read_text()


def test_the_page_shows_these_errors() -> None:
    assert error_row(240, 180, measure_accuracy(180, 240, 0)) in _PAGE


def test_the_page_shows_these_bounds() -> None:
    assert bounds_row(180, LOST) in _PAGE


def test_downtime_counts_only_in_opening_hours() -> None:
    night, evening = FIRST_US + 2 * HOUR_US, FIRST_US + DAY_US + CLOSES_US - 5 * MINUTE_US
    outages = Outages(
        2, np.array([0, 1]), np.array([night, evening]), np.array([night + HOUR_US, evening + HOUR_US])
    )
    assert outages.down_us().tolist() == [0, 5 * MINUTE_US]


def test_the_share_of_downtime_is_as_asked() -> None:
    outages = simulate(np.random.default_rng(1), 4000, 10 * MINUTE_US, SHARE_DOWN)
    share = outages.down_us().mean() / (DAYS * (CLOSES_US - OPENS_US))
    assert share == pytest.approx(SHARE_DOWN, rel=0.02)


def test_polls_tell_the_truth() -> None:
    random = np.random.default_rng(2)
    outages = simulate(random, 3, HOUR_US, 0.3)
    polls = poll(random, outages, HOUR_US, 0.1)
    for store, at_us, active in zip(polls.store, polls.at_us, polls.active, strict=True):
        down = (outages.store == store) & (outages.begin_us <= at_us) & (at_us < outages.end_us)
        assert active != down.any()
    assert polls.at_us.max() <= AS_OF_US
