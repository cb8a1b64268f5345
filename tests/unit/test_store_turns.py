"""Small answers about a store pass at once; large ones wait for each other until they are sent."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from pydantic import BaseModel

from services.api.encoded_answer import EncodedAnswer
from services.api.store_turns import LARGE, StoreTurns
from shared.errors import Overloaded, RateLimited


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


async def hold(
    turns: StoreTurns, key: str, weight: int, entered: asyncio.Queue[str], leave: asyncio.Event
) -> None:
    """Compute an answer, and send it until `leave`."""
    async with turns.take(key) as turn:
        await turn.run(weight, threading.get_ident)
        entered.put_nowait(key)
        await leave.wait()


def test_a_key_has_one_large_answer_at_a_time_and_small_ones_beside_it() -> None:
    async def story() -> None:
        turns, entered, leave = StoreTurns(), asyncio.Queue[str](), asyncio.Event()
        large = [asyncio.create_task(hold(turns, "a", LARGE, entered, leave)) for _ in range(2)]
        other = asyncio.create_task(hold(turns, "b", LARGE, entered, leave))
        assert {await entered.get(), await entered.get()} == {"a", "b"}
        async with turns.take("c") as turn:
            assert await turn.run(LARGE - 1, lambda: "small") == "small"
        assert entered.empty()
        leave.set()
        await asyncio.gather(*large, other)
        assert entered.get_nowait() == "a"
        turns.close()

    play(story())


def test_a_place_is_free_once_the_answer_is_sent_or_has_failed() -> None:
    async def story() -> None:
        turns, entered, leave = StoreTurns(place_within_s=0.01), asyncio.Queue[str](), asyncio.Event()
        calls = [asyncio.create_task(hold(turns, key, LARGE, entered, leave)) for key in "abc"]
        assert {await entered.get() for _ in range(3)} == set("abc")
        with pytest.raises(Overloaded):
            await hold(turns, "d", LARGE, entered, leave)
        leave.set()
        await asyncio.gather(*calls)
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                async with turns.take("e") as turn:
                    await turn.run(LARGE, lambda: 1 // 0)
        async with turns.take("e") as turn:
            threads = [await turn.run(LARGE, threading.get_ident) for _ in range(2)]
        assert threads[0] == threads[1] != threading.get_ident()
        turns.close()

    play(story())


def test_a_page_with_many_pictures_waits_and_is_not_refused() -> None:
    async def story() -> None:
        turns, entered, leave = StoreTurns(), asyncio.Queue[str](), asyncio.Event()
        calls = [asyncio.create_task(hold(turns, "a", 1, entered, leave)) for _ in range(128)]
        assert [await entered.get() for _ in range(2)] == ["a"] * 2
        assert entered.empty()
        with pytest.raises(RateLimited, match="128 calls for single stores"):
            await hold(turns, "a", 1, entered, leave)
        leave.set()
        await asyncio.gather(*calls)
        turns.close()

    play(story())


class _Body(BaseModel):
    name: str
    numbers: list[int]


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_an_answer_is_sent_in_blocks(size: int) -> None:
    body = _Body(name="ä", numbers=list(range(size)))
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    asyncio.run(EncodedAnswer(body)({"type": "http"}, receive, send))
    start, *blocks = sent
    whole = b"".join(block["body"] for block in blocks)
    assert whole == body.model_dump_json().encode()
    assert dict(start["headers"])[b"content-length"] == str(len(whole)).encode()
    assert [block["more_body"] for block in blocks] == [True] * (len(blocks) - 1) + [False]
    assert max(len(block["body"]) for block in blocks) <= 256 << 10
