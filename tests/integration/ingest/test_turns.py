"""Uploads are loaded in turn by key: one key's backlog does not hold up another key's upload."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from uuid import UUID

import psycopg

from services.ingest.http.turns import Turns
from shared.db.connect import connect
from shared.ids import new_id


def upload(database_url: str, key: str) -> UUID:
    with psycopg.connect(database_url) as conn:
        row = conn.execute(
            "insert into import (id, source, origin, state, created_by) values (%s, 'x', 'upload', 'queued', %s) returning id",
            [new_id(), key],
        ).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def order(turns: Turns, waiting: set[UUID]) -> list[UUID]:
    found: list[UUID] = []
    while chosen := turns.next(waiting - set(found)):
        found.append(chosen)
    return found


def opener(database_url: str) -> Callable[[], AbstractContextManager[psycopg.Connection]]:
    return partial(connect, database_url, application_name="test", autocommit=True)


def test_the_only_upload_of_a_key_waits_for_one_upload_of_another(database_url: str) -> None:
    greedy = sorted(upload(database_url, "greedy") for _ in range(5))
    owner = upload(database_url, "owner")
    assert order(Turns(opener(database_url)), {*greedy, owner}) == [greedy[0], owner, *greedy[1:]]


def test_an_upload_that_arrives_later_takes_its_turn(database_url: str) -> None:
    turns = Turns(opener(database_url))
    greedy = sorted(upload(database_url, "greedy") for _ in range(4))
    assert turns.next(greedy) == greedy[0]
    assert turns.next(greedy[1:]) == greedy[1]
    owner = upload(database_url, "owner")
    assert turns.next([*greedy[2:], owner]) == owner


def test_uploads_whose_import_is_not_written_yet_share_a_turn(database_url: str) -> None:
    unwritten = sorted([new_id(), new_id()])
    known = upload(database_url, "owner")
    assert order(Turns(opener(database_url)), {*unwritten, known}) == [unwritten[0], known, unwritten[1]]


def test_no_upload_is_next_if_none_is_due(database_url: str) -> None:
    assert Turns(opener(database_url)).next([]) is None
