"""Many event streams of one key cost little: they share looks at the key, and changes in quick succession are one event."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import psycopg
import pytest

from shared.db.connect import make_async_pool
from shared.http.key_ring import KeyRing
from shared.keys import create_key
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger
from tests.fixtures.services import Services

_STREAMS = 20
_PACE_S = 0.1  # at least, with so many streams
_CHANGES = 60
_CHANGE_EVERY_S = 0.02
_WAITING = (
    "select count(*) from pg_stat_activity"
    " where datname = current_database() and application_name = 'test-ring' and wait_event_type = 'Lock'"
)


@pytest.fixture
def services(env: Mapping[str, str], tmp_path: Path) -> Iterator[Services]:
    with Services(env, tmp_path) as made:
        yield made


def test_calls_of_one_key_share_a_look_at_it(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        key = create_key(conn, name="greedy", scopes=["reports:read"])

    async def run() -> None:
        pool = make_async_pool(database_url, application_name="test-ring", max_size=4, statement_timeout_s=60)
        async with pool, await psycopg.AsyncConnection.connect(database_url) as holding:
            ring = KeyRing(pool, remembered_s=0.0)
            await ring.live_key(key)
            await holding.execute("lock table api_key in access exclusive mode")
            calls = [asyncio.create_task(ring.live_key(key)) for _ in range(50)]
            calls[0].cancel()  # whoever leaves takes nobody along
            async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as beside:
                while await (await beside.execute(_WAITING)).fetchone() == (0,):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.3)  # others would have come by now
                assert await (await beside.execute(_WAITING)).fetchone() == (1,)
            await holding.rollback()
            found = await asyncio.gather(*calls[1:])
            assert {one.name for one in found} == {"greedy"}

    asyncio.run(run())


def test_changes_in_quick_succession_are_one_event(services: Services, env: Mapping[str, str]) -> None:
    url = env["UPTILL_DATABASE_URL"]
    poll = (datetime(2024, 10, 14, tzinfo=UTC), True)
    load_fleet(url, {f"store-{n:02}": Store(polls=[poll]) for n in range(_CHANGES)})
    report_id = trigger(url, batch_stores=1).report_id
    services.api()
    address = f"{env['UPTILL_API_URL']}/v1/reports/{report_id}/events"
    all_are_there = threading.Barrier(_STREAMS + 1, timeout=60)

    def follow(_: int) -> list[str]:
        headers = {"X-API-Key": env["UPTILL_API_KEY"]}
        with httpx2.Client(headers=headers, timeout=60) as http, http.stream("GET", address) as stream:
            events = (line for line in stream.iter_lines() if line.startswith("event: "))
            first = next(events)
            all_are_there.wait()
            return [first, *events]

    with ThreadPoolExecutor(_STREAMS) as threads, psycopg.connect(url, autocommit=True) as conn:
        following = [threads.submit(follow, number) for number in range(_STREAMS)]
        all_are_there.wait()
        conn.execute("update report set state = 'running' where id = %s", [report_id])
        began_s = time.monotonic()
        for number in range(_CHANGES):
            conn.execute(
                "update report_batch set state = 'done', part = 'part', size_bytes = 1, sha256 = %s, data_cut = 1"
                " where batch_no = %s",
                ["11" * 32, number],
            )
            time.sleep(_CHANGE_EVERY_S)
        conn.execute(
            "update report set state = 'canceled', finished_at = clock_timestamp() where id = %s", [report_id]
        )
        took_s = time.monotonic() - began_s
        events = [one.result(60) for one in following]
    assert {told[-1] for told in events} == {"event: canceled"}
    assert max(map(len, events)) <= took_s / _PACE_S + 4, took_s
