"""Weekly hours are written under a lock of their own: live polls are answered while a large file takes effect."""

import time
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg

from tests.fixtures.local_stack import eventually
from tests.integration.ingest.database import check_ledger
from tests.integration.ingest.deliveries import days, table, week
from tests.integration.ingest.service import FINAL, ingest_service

SLOW_S = 3.0
POLL = {"observations": [{"store_id": "polled", "status": "active", "observed_at": "2024-10-14T10:00:00Z"}]}
HOURS = {"hours": [{"day_of_week": 5, "start_time_local": "09:00", "end_time_local": "17:00"}]}


def slow_down(database_url: str) -> None:
    """Make each statement that inserts hours take three seconds."""
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "create function wait_a_while() returns trigger language plpgsql as"
            f" $$ begin perform pg_sleep({SLOW_S}); return null; end $$"
        )
        conn.execute(
            "create trigger slow after insert on business_hours for each statement execute function wait_a_while()"
        )


def test_polls_are_answered_while_hours_are_written(database_url: str, tmp_path: Path) -> None:
    slow_down(database_url)
    with ingest_service(database_url, tmp_path / "spool") as client:
        sent = client.post("/v1/imports", content=table(*week("a", 0, 1), *week("new", 2)))
        waited_s, polls = 0.0, 0
        begun_s = time.monotonic()
        while client.get(sent.headers["location"]).json()["state"] not in FINAL:
            asked_s = time.monotonic()
            assert client.post("/v1/observations", json=POLL).status_code == 200
            waited_s, polls = max(waited_s, time.monotonic() - asked_s), polls + 1
        assert time.monotonic() - begun_s >= SLOW_S
        assert polls > 3
        assert waited_s < SLOW_S / 2
    assert days(database_url, "a") == [0, 1]
    assert days(database_url, "new") == [2]
    check_ledger(database_url)


def test_a_change_of_hours_waits_for_a_file_and_then_counts(database_url: str, tmp_path: Path) -> None:
    slow_down(database_url)
    answers: list[Any] = []
    with ingest_service(database_url, tmp_path / "spool") as client:
        sent = client.post("/v1/imports", content=table(*week("a", 0, 1)))
        with psycopg.connect(database_url, autocommit=True) as conn:
            busy = (
                "select from pg_stat_activity where query like '%business_hours%' and wait_event = 'PgSleep'"
            )
            eventually(lambda: conn.execute(busy).rowcount > 0)
        change = Thread(target=lambda: answers.append(client.put("/v1/stores/a/hours", json=HOURS)))
        change.start()
        assert client.post("/v1/observations", json=POLL).status_code == 200
        change.join()
        assert answers[0].status_code == 200, answers[0].text
        assert client.get(sent.headers["location"]).json()["state"] == "succeeded"
    assert days(database_url, "a") == [5]
    check_ledger(database_url)
