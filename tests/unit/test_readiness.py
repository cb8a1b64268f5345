"""Readiness from looks in the background: one that hangs is told, and holds up nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from fastapi import Response

from shared.errors import StorageUnavailable
from shared.http.readiness import OK, Check, Health, Readiness


async def well() -> str:
    return OK


async def away() -> str:
    raise StorageUnavailable("the object store did not answer")


async def hangs() -> str:
    await asyncio.Event().wait()
    return OK


def check(name: str, look: Callable[[], Awaitable[str]], *, needed: bool = False) -> Check:
    return Check(name, look, needed, within_s=0.05)


def asked(*checks: Check, is_stopping: bool = False) -> tuple[int, Health]:
    """Status and body right after the first looks."""

    async def act() -> tuple[int, Health]:
        readiness, response = Readiness(checks, lambda: is_stopping), Response()
        async with readiness.watching():
            health = readiness.answer(response)
        return response.status_code, health

    return asyncio.run(act())


def test_all_is_well() -> None:
    status, health = asked(check("one", well, needed=True), check("two", well))
    assert (status, health.status, health.components) == (200, "ok", {"one": OK, "two": OK})
    assert all(0 <= age_s < 60 for age_s in health.ages_s.values())


def test_what_is_not_needed_only_degrades() -> None:
    status, health = asked(check("one", well, needed=True), check("two", away))
    assert (status, health.status) == (200, "degraded")
    assert health.components["two"].startswith("the object store did not answer (since 2")


def test_without_what_is_needed_it_is_not_ready() -> None:
    status, health = asked(check("one", away, needed=True), check("two", well))
    assert (status, health.status, health.components["two"]) == (503, "unavailable", OK)


def test_one_that_is_stopping_is_not_ready() -> None:
    status, health = asked(check("one", well, needed=True), is_stopping=True)
    assert (status, health.status) == (503, "stopping")


def test_a_look_that_hangs_is_told_and_the_others_go_on() -> None:
    looks = 0

    async def counted() -> str:
        nonlocal looks
        looks += 1
        return OK

    async def act() -> None:
        readiness = Readiness([check("one", hangs), check("two", counted)], lambda: False)
        async with readiness.watching():
            health = readiness.answer(Response())
            assert health.components["one"].startswith("not answering (since 2")
            assert health.components["two"] == OK
            while looks < 3:  # noqa: ASYNC110 - looks have no event
                await asyncio.sleep(0.01)
            assert readiness.answer(Response()).components["one"] == health.components["one"]

    asyncio.run(act())


def test_a_server_that_hangs_is_asked_once_at_a_time_and_is_well_when_it_answers() -> None:
    asked_now = most_at_once = 0

    async def act() -> None:
        thawed = asyncio.Event()

        async def frozen() -> str:
            nonlocal asked_now, most_at_once
            asked_now += 1
            most_at_once = max(most_at_once, asked_now)
            await thawed.wait()
            asked_now -= 1
            return OK

        readiness = Readiness([check("one", frozen, needed=True)], lambda: False)
        async with readiness.watching():
            assert readiness.answer(Response()).status == "unavailable"
            with suppress(TimeoutError):
                await asyncio.wait_for(thawed.wait(), 1.2)  # time for two more looks, had they been begun
            thawed.set()
            while readiness.answer(Response()).status != "ok":  # noqa: ASYNC110 - looks have no event
                await asyncio.sleep(0.01)

    asyncio.run(act())
    assert most_at_once == 1


def test_a_bug_in_a_look_ends_no_looks() -> None:
    async def broken() -> str:
        raise KeyError("bug")

    status, health = asked(check("one", broken, needed=True), check("two", well))
    assert (status, health.components["two"]) == (503, OK)
    assert health.components["one"].startswith("KeyError")
