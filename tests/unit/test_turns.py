"""Each key has one call at a time, and no key waits for another."""

import asyncio

import pytest

from services.api.turns import KeyTurns
from shared.errors import RateLimited


async def start(turns: KeyTurns, key: str, entered: list[str], leave: asyncio.Event) -> None:
    async with turns.take(key):
        entered.append(key)
        await leave.wait()


def test_one_call_of_a_key_at_a_time() -> None:
    async def play() -> None:
        turns, entered, leave = (
            KeyTurns(waiting=2, calls="outages", instead="request a report"),
            list[str](),
            asyncio.Event(),
        )
        calls = [asyncio.create_task(start(turns, key, entered, leave)) for key in "aaab"]
        await asyncio.sleep(0.01)
        assert entered == ["a", "b"]
        with pytest.raises(RateLimited, match="3 calls for outages with this key"):
            async with turns.take("a"):
                raise AssertionError("the fourth call of one key")
        leave.set()
        await asyncio.gather(*calls)
        assert entered == ["a", "b", "a", "a"]
        assert turns._queues == {}

    asyncio.run(play())


def test_a_call_that_gives_up_leaves_its_place() -> None:
    async def play() -> None:
        turns, entered, leave = (
            KeyTurns(waiting=0, calls="outages", instead="request a report"),
            list[str](),
            asyncio.Event(),
        )
        first = asyncio.create_task(start(turns, "a", entered, leave))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.wait([first])
        async with turns.take("a"):
            entered.append("again")
        assert entered == ["a", "again"]

    asyncio.run(play())
