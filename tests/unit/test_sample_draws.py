"""Random numbers by seed, purpose and index: repeatable, independent, in proportion."""

import numpy as np

from services.sample.draws import Draws

INDEX = np.arange(100_000)


def test_draws_are_pinned_for_every_machine() -> None:
    assert Draws(7).bits("place", np.array([0, 1, 2**40])).tolist() == [
        10924597912603382166,
        3597927897574937955,
        18096704366420395950,
    ]


def test_a_draw_depends_on_seed_purpose_and_index_only() -> None:
    draws = Draws(7).uniform("place", INDEX)
    assert np.array_equal(Draws(7).uniform("place", INDEX[500:600]), draws[500:600])
    assert not np.any(Draws(8).uniform("place", INDEX) == draws)
    assert not np.any(Draws(7).uniform("missed", INDEX) == draws)


def test_uniform_draws_fill_the_unit_interval_and_do_not_follow_each_other() -> None:
    draws = Draws(7).uniform("place", INDEX)
    assert draws.min() >= 0
    assert draws.max() < 1
    counts, _ = np.histogram(draws, bins=20, range=(0, 1))
    assert abs(counts / len(INDEX) - 0.05).max() < 0.004
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(draws, Draws(7).uniform("missed", INDEX))[0, 1]) < 0.01


def test_ranks_are_a_permutation() -> None:
    ranks = Draws(7).ranks("zone", 1000)
    assert sorted(ranks.tolist()) == list(range(1000))
    assert ranks.tolist() != list(range(1000))


def test_categories_keep_their_proportions_to_within_one() -> None:
    weights = np.array([1, 50, 949])
    for count in (1, 7, 1000, 3333):
        found = np.bincount(Draws(7).categories("zone", count, weights), minlength=3)
        assert abs(found - count * weights / 1000).max() <= 1
