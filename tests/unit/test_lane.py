"""Blocking calls to one server: bounded in number and in time, and no matter to other lanes."""

import asyncio
from collections.abc import Iterator
from threading import Event

import pytest

from shared.errors import DatabaseUnavailable, StorageUnavailable
from shared.lane import Lane


@pytest.fixture
def thaw() -> Iterator[Event]:
    """What a frozen server waits for."""
    event = Event()
    yield event
    event.set()


def lane(*, threads: int = 2, waiting: int = 2, within_s: float = 30.0, breaks: bool = False) -> Lane:
    return Lane(
        "test", StorageUnavailable, threads=threads, waiting=waiting, within_s=within_s, breaks=breaks
    )


async def until_free(crowded: Lane) -> None:
    """Wait until the lane takes a call again; pytest's own limit ends a wait in vain."""
    while True:
        try:
            await crowded.run(int)
        except StorageUnavailable:
            await asyncio.sleep(0.01)
        else:
            return


def test_calls_beyond_those_that_may_wait_are_refused_until_others_end(thaw: Event) -> None:
    async def act() -> None:
        crowded = lane()
        calls = [asyncio.ensure_future(crowded.run(thaw.wait)) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(StorageUnavailable, match="too many calls"):
            await crowded.run(int)
        assert await lane().run(lambda: 7) == 7  # another lane has threads of its own
        thaw.set()
        assert await asyncio.gather(*calls) == [True] * 4
        await until_free(crowded)

    asyncio.run(act())


def test_a_caller_is_told_after_the_limit_and_the_call_keeps_its_thread(thaw: Event) -> None:
    async def act() -> None:
        slow = lane(threads=1, waiting=0, within_s=0.05)
        with pytest.raises(StorageUnavailable, match="did not answer within"):
            await slow.run(thaw.wait)
        with pytest.raises(StorageUnavailable, match="too many calls"):
            await slow.run(int)
        thaw.set()
        await until_free(slow)

    asyncio.run(act())


def test_a_call_that_nobody_waits_for_any_more_is_not_made(thaw: Event) -> None:
    made: list[int] = []

    async def act() -> None:
        slow = lane(threads=1, waiting=1, within_s=0.05)
        first = asyncio.ensure_future(slow.run(thaw.wait))
        second = asyncio.ensure_future(slow.run(lambda: made.append(1)))
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StorageUnavailable] * 2
        thaw.set()
        await until_free(slow)

    asyncio.run(act())
    assert made == []


def test_after_three_failures_in_a_row_calls_are_refused_at_once() -> None:
    def fail() -> None:
        raise StorageUnavailable("away")

    async def act() -> None:
        broken = lane(breaks=True)
        for _ in range(3):
            with pytest.raises(StorageUnavailable, match="away"):
                await broken.run(fail)
        with pytest.raises(StorageUnavailable, match="has not answered lately"):
            await broken.run(int)

    asyncio.run(act())


def test_an_answer_that_says_no_is_no_failure_of_the_server() -> None:
    def refuse() -> None:
        raise KeyError("no")

    async def act() -> None:
        well = Lane("test", DatabaseUnavailable, threads=1, waiting=0, within_s=30.0)
        for _ in range(500):
            with pytest.raises(KeyError):
                await well.run(refuse)
            assert await well.run(lambda: 7) == 7

    asyncio.run(act())
