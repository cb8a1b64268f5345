"""When a breaker admits calls, on a clock of the test's own."""

from shared.breaker import Breaker


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def opened(clock: Clock) -> Breaker:
    breaker = Breaker("test", failures=3, pause_s=1.0, clock=clock)
    for _ in range(3):
        assert breaker.admits()
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker("test", failures=3)
    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed, breaker.failed):
        assert breaker.admits()
        outcome()
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open


def test_an_open_one_admits_one_probe_a_pause() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert [breaker.admits() for _ in range(3)] == [False] * 3
    clock.now_s += 1.0
    assert [breaker.admits() for _ in range(3)] == [True, False, False]


def test_a_probe_that_succeeds_closes_it_and_one_that_fails_does_not() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += 1.0
    assert breaker.admits()
    breaker.failed()
    assert not breaker.admits()
    clock.now_s += 1.0
    assert breaker.admits()
    breaker.succeeded()
    assert [breaker.admits() for _ in range(3)] == [True] * 3


def test_a_probe_that_never_ends_does_not_keep_it_open() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += 1.0
    assert breaker.admits()
    clock.now_s += 1.0
    assert breaker.admits()
