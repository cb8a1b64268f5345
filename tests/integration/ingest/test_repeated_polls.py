"""Polls that a file brings again: found in the pages that hold them, and never more of them than are stored so."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from services.ingest.parse.last_polls import LastPolls
from services.ingest.write import known_polls, repeated_polls
from services.ingest.write.known_polls import KnownPolls
from services.ingest.write.repeated_polls import find_repeated
from shared.clock import to_us
from tests.integration.ingest.database import Poll, counts, load_polls, observations

_MONDAYS = [datetime(2024, 9, 2, tzinfo=UTC) + timedelta(weeks=week) for week in range(4)]
_STORES, _MINUTES = 20, 200


def make_polls(monday: datetime) -> list[Poll]:
    """Return a poll of each store in each minute, in the order of time; every third is inactive."""
    return [
        (
            f"{store}",
            "inactive" if (store + minute) % 3 == 0 else "active",
            f"{monday + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S} UTC",
        )
        for minute in range(_MINUTES)
        for store in range(_STORES)
    ]


@pytest.fixture
def stored(database_url: str, tmp_path: Path) -> Iterator[psycopg.Connection]:
    """Return a connection to a database with the polls of a week, in the order of time."""
    polls = make_polls(_MONDAYS[0])
    load_polls(database_url, tmp_path / "stored.csv", polls)
    with psycopg.connect(database_url) as conn:
        yield conn


def read_week(conn: psycopg.Connection, monday: datetime) -> LastPolls:
    """Return the stored polls of a week, as a chunk would bring them."""
    rows = conn.execute(
        "select store_key, (extract(epoch from observed_at) * 1000000)::bigint, is_active from observation"
        " where observed_at >= %s and observed_at < %s order by store_key, observed_at",
        (monday, monday + timedelta(weeks=1)),
    ).fetchall()
    store, at_us, active = zip(*rows, strict=True)
    status = np.array(active)
    return LastPolls(np.array(store, np.int32), np.array(at_us), status, status)


def change(polls: LastPolls, **columns: NDArray[np.bool_] | NDArray[np.int64]) -> LastPolls:
    return LastPolls(**{**vars(polls), **columns})


def scatter(conn: psycopg.Connection) -> None:
    """Write the stored polls again, in another order."""
    conn.execute("create table kept as select * from observation")
    conn.execute("truncate observation")
    conn.execute("insert into observation select * from kept order by md5(observed_at::text || store_key)")


def test_polls_that_were_written_together_are_all_found(stored: psycopg.Connection) -> None:
    polls = read_week(stored, _MONDAYS[0])
    assert len(polls) == _STORES * _MINUTES
    assert find_repeated(stored, to_us(_MONDAYS[0]), polls).all()
    last_minutes = polls.pick(polls.at_us >= to_us(_MONDAYS[0] + timedelta(minutes=_MINUTES // 2)))
    assert find_repeated(stored, to_us(_MONDAYS[0]), last_minutes).all()


def test_what_differs_from_the_stored_polls_is_not_a_repetition(stored: psycopg.Connection) -> None:
    monday_us = to_us(_MONDAYS[0])
    polls = read_week(stored, _MONDAYS[0])
    some = np.arange(len(polls)) % 5 == 0
    for changed in (
        change(polls, active=polls.active ^ some, first_active=polls.active ^ some),
        # Of two rows in one chunk, the first contradicts what is stored.
        change(polls, first_active=polls.active ^ some),
        change(polls, active=polls.active ^ some),
        change(polls, at_us=polls.at_us + some),
    ):
        assert (find_repeated(stored, monday_us, changed) == ~some).all()


def test_pages_that_hold_few_of_the_polls_are_not_read(
    stored: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the polls are compared in another way. None is called a repetition that is not."""
    polls = read_week(stored, _MONDAYS[0])
    few = polls.pick(np.arange(len(polls)) % 7 == 0)
    monkeypatch.setattr(repeated_polls, "_FEWEST_FOUND", 10)
    scatter(stored)
    assert not find_repeated(stored, to_us(_MONDAYS[0]), few).any()
    monkeypatch.setattr(repeated_polls, "_FEWEST_FOUND", 1)
    found = find_repeated(stored, to_us(_MONDAYS[0]), change(few, active=~few.active))
    assert not found.any()


def test_a_week_without_polls_repeats_nothing(stored: psycopg.Connection) -> None:
    polls = read_week(stored, _MONDAYS[0])
    later = change(polls, at_us=polls.at_us + (to_us(_MONDAYS[1]) - to_us(_MONDAYS[0])))
    assert not find_repeated(stored, to_us(_MONDAYS[1]), later).any()


def test_stores_with_keys_that_do_not_fit_are_left_to_the_server(stored: psycopg.Connection) -> None:
    polls = read_week(stored, _MONDAYS[0])
    polls.store[-1] = 1 << 22
    assert not find_repeated(stored, to_us(_MONDAYS[0]), polls).any()


def test_a_file_that_comes_again_with_news(database_url: str, tmp_path: Path) -> None:
    """Four weeks, each in its order, then all of them again with some polls new and some changed."""
    truth: dict[tuple[str, str], bool] = {}

    def deliver(polls: list[Poll], name: str) -> None:
        found = [0, 0, 0, 0]
        for store, status, at in polls:
            key, active = (store, f"{at.removesuffix(' UTC')}.000000"), status == "active"
            before = truth.get(key)
            found[0 if before is None else 1 if before is active else 2] += 1
            truth[key] = active
        result = load_polls(database_url, tmp_path / name, polls, chunk_bytes=150_000)
        assert counts(result) == tuple(found)
        assert observations(database_url) == truth

    polls = [poll for monday in (_MONDAYS[2], _MONDAYS[0], _MONDAYS[3]) for poll in make_polls(monday)]
    deliver(polls, "first.csv")
    changed: Mapping[str, str] = {"active": "inactive", "inactive": "active"}
    news = [
        (f"new-{store}" if number % 97 == 0 else store, changed[status] if number % 89 == 0 else status, at)
        for number, (store, status, at) in enumerate(polls)
    ]
    deliver(news, "news.csv")
    deliver([*news, *make_polls(_MONDAYS[1]), *polls[:5000]], "more.csv")


def test_a_week_in_use_stays_in_memory(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that goes back and forth between weeks: those that fit stay. Once a week is idle, it makes room."""
    for number, monday in enumerate(_MONDAYS[:3]):
        load_polls(database_url, tmp_path / f"{number}.csv", make_polls(monday))
    size = _STORES * _MINUTES
    monkeypatch.setattr(known_polls, "_ALL_POLLS", 5 * size // 2)
    monkeypatch.setattr(known_polls, "_IDLE_POLLS", 4 * size)
    known = KnownPolls()
    with psycopg.connect(database_url) as conn:

        def compare(week: int) -> bool:
            compared = known.compare_week(
                conn, to_us(_MONDAYS[week]), read_week(conn, _MONDAYS[week]).pick(np.arange(size))
            )
            assert compared is None or (compared.is_same.all() and not compared.is_new.any())
            return compared is not None

        assert [compare(week) for week in (0, 1, 2, 0, 1, 2, 0, 1, 2)] == [True, True, False] * 3
        # Week 0 is idle now.
        assert [compare(week) for week in (1, 1, 1, 2, 1, 2)] == [True, True, True, True, True, True]
        assert not known.has_week(to_us(_MONDAYS[0]))
        assert known.has_week(to_us(_MONDAYS[1]))
