"""Events are queued in the caller's transaction, once per idempotency id and channel."""

import asyncio
import threading
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from shared.channels.notice import MAX_MEMBERS, Notice
from shared.channels.queue_message import (
    QueuedEvent,
    queue_message,
    queue_message_async,
    withdraw_message,
    withdraw_message_async,
)
from tests.fixtures.logins import login_url
from tests.fixtures.services import wait_until

NOTICE = Notice(
    event="incident.opened",
    what="12 of 40 stores are down",
    where="region=north",
    since_after=datetime(2024, 10, 14, 12, 0, tzinfo=UTC),
    since_by=datetime(2024, 10, 14, 12, 5, tzinfo=UTC),
    polls=3,
    compared_with="1 store at this hour on other Mondays",
    detection_delay_s=300,
    link="/ui/incidents/1",
    members=("one", "two"),
    member_count=12,
    subject_id=UUID(int=1),
)


@pytest.fixture(autouse=True)
def channels(owner: psycopg.Connection) -> None:
    for name in ("ops", "boss"):
        owner.execute(
            "insert into channel (name, kind, destination, shown, per_minute, attach)"
            " values (%s, 'email', '{}', 'x', 20, true)",
            [name],
        )


def opened(
    channel: str = "ops", key: str = "incident-1 opened", not_before: datetime | None = None
) -> QueuedEvent:
    return QueuedEvent(
        channel=channel, topic="rule", idempotency_id=key, notice=NOTICE, not_before=not_before
    )


def waiting(conn: psycopg.Connection) -> list[tuple[str, str]]:
    return conn.execute("select channel, event from channel_event order by channel, queued_at").fetchall()


def test_the_same_event_is_queued_once_for_each_channel(conn: psycopg.Connection) -> None:
    assert queue_message(conn, opened())
    assert not queue_message(conn, opened())
    assert queue_message(conn, opened("boss"))
    assert waiting(conn) == [("boss", "incident.opened"), ("ops", "incident.opened")]


def test_nothing_is_queued_for_a_channel_that_does_not_exist(conn: psycopg.Connection) -> None:
    assert not queue_message(conn, opened("gone"))
    assert waiting(conn) == []


def test_a_channel_that_is_removed_at_the_same_time_costs_the_event_only(
    conn: psycopg.Connection, database_url: str
) -> None:
    with psycopg.connect(database_url) as remover:
        remover.execute("delete from channel where name = 'ops'")
        queued: list[bool] = []
        caller = threading.Thread(target=lambda: queued.append(queue_message(conn, opened())))
        caller.start()
        wait_until(
            lambda: remover.execute(
                "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            ).fetchone(),
            "the caller's wait",
        )
        remover.commit()
        caller.join()
    assert queued == [False]


def test_an_event_exists_only_if_its_transaction_commits(conn: psycopg.Connection) -> None:
    with conn.transaction(force_rollback=True):
        assert queue_message(conn, opened())
    assert waiting(conn) == []


def test_an_event_that_waits_can_be_withdrawn_and_a_sent_one_cannot(conn: psycopg.Connection) -> None:
    assert queue_message(conn, opened(not_before=datetime(2999, 1, 1, tzinfo=UTC)))
    assert withdraw_message(conn, "ops", "incident-1 opened")
    assert not withdraw_message(conn, "ops", "incident-1 opened")
    assert queue_message(conn, opened())
    conn.execute(
        "with made as (insert into channel_message (channel, topic) values ('ops', 'rule') returning id)"
        " update channel_event set message_id = made.id from made"
    )
    assert not withdraw_message(conn, "ops", "incident-1 opened")


def test_the_api_may_queue_and_withdraw_too(conn: psycopg.Connection, database_url: str) -> None:
    async def run() -> tuple[bool, bool]:
        async with await psycopg.AsyncConnection.connect(login_url(database_url, "uptill_api")) as session:
            queued = await queue_message_async(session, opened())
            return queued, await withdraw_message_async(session, "ops", "incident-1 opened")

    assert asyncio.run(run()) == (True, True)
    assert waiting(conn) == []


def test_a_notice_is_read_as_it_was_queued(conn: psycopg.Connection) -> None:
    queue_message(conn, opened())
    ((stored,),) = conn.execute("select notice from channel_event").fetchall()
    assert Notice.from_json({**stored, "of_a_newer_release": 1}) == NOTICE


def test_a_topic_has_a_limit() -> None:
    with pytest.raises(ValueError, match="topic has 201 characters"):
        QueuedEvent(channel="ops", topic="x" * 201, idempotency_id="x", notice=NOTICE)


def test_members_beyond_the_first_are_counted() -> None:
    many = Notice(event="incident.opened", what="x", members=[f"store-{number}" for number in range(3000)])
    read = Notice.from_json(many.to_json())
    assert (len(read.members), read.member_count) == (MAX_MEMBERS, 3000)


def test_the_api_cannot_read_destinations_and_readers_see_no_channel(database_url: str) -> None:
    for role in ("uptill_api", "uptill_readonly", "uptill_ingest"):
        with psycopg.connect(login_url(database_url, role)) as session:
            for column in ("destination", "secret"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute(f"select {column} from channel")
                session.rollback()
