"""What a refresh writes of a row: what one more poll changes, or all of it, and in both cases what was computed."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.integration.live.live_fleet import change_polls, load_live_fleet

Refresh = Callable[[], int]
AGAIN = "update now_batch set made_by = ''"


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        load_live_fleet(database_url, conn)
        yield conn


def rows(conn: psycopg.Connection) -> dict[str, dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute("select store.store_id, store_now.* from store_now join store using (store_key)")
        return {row.pop("store_id"): row for row in cursor.fetchall()}


def differences(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name, value in before.items() if after[name] != value}


@pytest.mark.parametrize(("store_id", "active"), [("up", True), ("down", False)])
def test_a_poll_that_says_the_same_moves_no_times(
    conn: psycopg.Connection, refresh: Refresh, store_id: str, active: bool
) -> None:
    refresh()
    before = rows(conn)
    change_polls(conn, store_id, active=active)
    refresh()
    after = rows(conn)
    changed = {"last_poll_at", "digest", "lasting"} | (set() if active else {"inactive_polls"})
    assert differences(before.pop(store_id), after.pop(store_id)) == changed
    assert after == before


@pytest.mark.parametrize(("store_id", "active"), [("up", True), ("up", False), ("down", False)])
def test_a_row_that_was_written_in_parts_is_the_one_that_is_written_whole(
    conn: psycopg.Connection, refresh: Refresh, store_id: str, active: bool
) -> None:
    refresh()
    change_polls(conn, store_id, active=active)
    refresh()
    in_parts = rows(conn)
    conn.execute("update store_now set digest = 0, lasting = null")
    conn.execute(AGAIN)
    refresh()
    assert rows(conn) == in_parts


def test_what_the_release_before_wrote_is_written_whole(conn: psycopg.Connection, refresh: Refresh) -> None:
    """It writes a digest of its own, and leaves the other one as it was."""
    refresh()
    before = rows(conn)
    conn.execute(
        "update store_now set digest = digest + 1, up_us = up_us + 1, counted_at = counted_at - interval '1 h'"
    )
    conn.execute(AGAIN)
    refresh()
    assert rows(conn) == before


def test_rows_are_read_again_if_another_attempt_can_have_written_them(
    conn: psycopg.Connection, refresh: Refresh
) -> None:
    refresh()
    written = rows(conn)
    conn.execute("update store_now set digest = 0")
    change_polls(conn, "up", active=True)
    refresh()
    known = rows(conn)
    assert {store_id for store_id, row in known.items() if row["digest"]} == {"up"}, (
        "known from its own writing"
    )
    conn.execute("update report_batch set attempt = attempt + 1")
    change_polls(conn, "up", active=True)
    refresh()
    found = rows(conn)
    assert found.pop("up")["digest"] != known.pop("up")["digest"]
    written.pop("up")
    assert found == written
