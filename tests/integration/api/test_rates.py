"""Rate limits per key, with a real Redis and while it is unavailable."""

import asyncio
import re
import time
from collections.abc import Mapping

import pytest
from fastapi.testclient import TestClient
from limits import RateLimitItem, parse

from services.api.main import create_app
from shared.errors import RateLimited
from shared.http.rates import Rates, Work
from shared.ids import new_id
from shared.settings import Settings

NOBODY = "redis://127.0.0.1:1/0"


def limits(text: str) -> Mapping[Work, RateLimitItem]:
    return dict.fromkeys(Work, parse(text))


async def calls(rates: Rates, count: int, key: str = "aaaaaaaa", work: Work = Work.REPORT) -> int:
    """Return how many concurrent calls are admitted."""
    outcomes = await asyncio.gather(*(rates.admit(key, work) for _ in range(count)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(outcome, RateLimited) and outcome.retry_after_s > 0 for outcome in refused)
    return count - len(refused)


def test_the_limit_is_exact(redis_url: str) -> None:
    async def act() -> None:
        rates = Rates(redis_url, limits("100/hour"))
        try:
            assert await calls(rates, 130) == 100
            assert await calls(rates, 10) == 0
            assert await calls(rates, 30, work=Work.READ) == 30  # another kind of work
            assert await calls(rates, 30, key="bbbbbbbb") == 30  # another key
        finally:
            await rates.close()

    asyncio.run(act())


def test_processes_share_one_limit(redis_url: str) -> None:
    async def act() -> None:
        first, second = Rates(redis_url, limits("100/hour")), Rates(redis_url, limits("100/hour"))
        try:
            assert await calls(first, 60) == 60
            assert await calls(second, 60) == 40
        finally:
            await first.close()
            await second.close()

    asyncio.run(act())


def test_processes_agree_on_what_is_left_and_on_the_end_of_the_window(redis_url: str) -> None:
    async def act() -> None:
        first, second = Rates(redis_url, limits("100/hour")), Rates(redis_url, limits("100/hour"))
        try:
            of_first = [await first.admit("aaaaaaaa", Work.REPORT) for _ in range(11)]  # three blocks
            of_second = await second.admit("aaaaaaaa", Work.REPORT)
            assert [one.remaining for one in of_first] == list(range(99, 88, -1))
            assert of_second.remaining == 100 - 3 * 5 - 1  # what the first took and has not used is not there
            assert 3500 < of_first[-1].resets_in_s < of_first[0].resets_in_s <= 3600
            assert of_second.resets_in_s == pytest.approx(of_first[-1].resets_in_s, abs=30)
        finally:
            await first.close()
            await second.close()

    asyncio.run(act())


def test_a_window_ends(redis_url: str) -> None:
    async def act() -> None:
        rates = Rates(redis_url, limits("5/second"))
        try:
            assert await calls(rates, 6) == 5
            with pytest.raises(RateLimited) as refusal:
                await rates.admit("aaaaaaaa", Work.REPORT)
            await asyncio.sleep(refusal.value.retry_after_s + 0.05)
            assert await calls(rates, 1) == 1
        finally:
            await rates.close()

    asyncio.run(act())


def test_without_redis_reads_continue_and_new_work_is_limited_per_process() -> None:
    async def act() -> None:
        rates = Rates(NOBODY, limits("20/hour"))
        assert await calls(rates, 300, work=Work.READ) == 300
        assert await calls(rates, 60, work=Work.REPORT) == 20
        assert await calls(rates, 60, work=Work.INGEST) == 20

    asyncio.run(act())


def test_the_service_answers_429_with_the_time_to_wait(env: dict[str, str]) -> None:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    settings = Settings.model_validate({**values, "rate_report": "3/hour"})
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    with TestClient(create_app(settings), headers=headers) as api:
        assert [api.post("/v1/reports").status_code for _ in range(4)] == [202, 202, 202, 429]
        refused = api.get("/trigger_report")
        assert refused.status_code == 429
        assert refused.json()["type"] == "urn:uptill:error:rate_limited"
        assert 3000 < int(refused.headers["retry-after"]) <= 3600
        assert api.get("/v1/reports").status_code == 200


def test_every_answer_shows_what_is_left(env: dict[str, str]) -> None:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    settings = Settings.model_validate({**values, "rate_read": "1000/hour", "rate_report": "3/hour"})
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    with TestClient(create_app(settings), headers=headers) as api:
        left = []
        for _ in range(4):
            answer = api.post("/v1/reports")
            assert answer.headers["ratelimit-policy"] == '"report";q=3;w=3600'
            found = re.fullmatch(r'"report";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
            assert found is not None
            assert 0 < int(found[2]) <= 3600
            left.append(int(found[1]))
        assert left == [2, 1, 0, 0]
        assert answer.status_code == 429
        answers = [api.get("/v1/reports"), *(api.get(f"/v1/reports/{new_id()}") for _ in range(60))]
        assert [answer.status_code for answer in answers[:2]] == [200, 404]
        shown = [int(answer.headers["ratelimit"].split(";")[1].removeprefix("r=")) for answer in answers]
        assert shown == list(range(999, 999 - len(answers), -1))  # over more than one block
        assert "ratelimit" not in api.get("/version").headers


def test_an_old_backlog_refuses_new_reports(env: dict[str, str]) -> None:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    # Two hundred reports are accepted sooner than the backlog is looked at again.
    others = {"rate_report": "100000/minute", "max_open_reports": 10_000}
    settings = Settings.model_validate({**values, "max_queue_age_s": 0.001, **others})
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    with TestClient(create_app(settings), headers=headers) as api:
        first = api.post("/v1/reports")
        assert first.status_code == 202
        answers = [first]
        until_s = time.monotonic() + 30
        while answers[-1].status_code == 202 and time.monotonic() < until_s:
            answers.append(api.post("/v1/reports", json={"force": True}))
        assert answers[-1].status_code == 503
        assert answers[-1].json()["type"] == "urn:uptill:error:overloaded"
        assert answers[-1].headers["retry-after"]
        assert api.get(first.headers["location"]).status_code == 200
