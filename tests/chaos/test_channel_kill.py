"""The sender dies or falls asleep between the receiver's answer and its record: the message comes again, under the same id."""

from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb
from standardwebhooks import Webhook

from shared.channels.notice import Notice
from shared.channels.queue_message import QueuedEvent, queue_message
from shared.webhooks.secret import new_secret
from tests.fixtures.failpoints import armed
from tests.fixtures.mailbox import mailbox
from tests.fixtures.receiver import receiver
from tests.fixtures.services import Services, wait_until

KILLS, TOPICS = 2, 3
SETTINGS = {
    "UPTILL_WEBHOOK_ALLOW_PRIVATE": "true",
    "UPTILL_SWEEP_S": "0.2",
    "UPTILL_CHANNEL_GATHER_S": "0",
}
EXPIRE = "update channel_message set lease_until = clock_timestamp() where state = 'leased'"


def add_channel(conn: psycopg.Connection, name: str, kind: str, secret: str | None, **where: object) -> None:
    conn.execute(
        "insert into channel (name, kind, destination, secret, shown, per_minute, attach)"
        " values (%s, %s, %s, %s, '', 600, true)",
        [name, kind, Jsonb(where), secret],
    )


def tell(conn: psycopg.Connection, channel: str, topic: str) -> None:
    notice = Notice(event="incident.opened", what=topic)
    assert queue_message(
        conn, QueuedEvent(channel=channel, topic=topic, idempotency_id=str(uuid4()), notice=notice)
    )


def undelivered(conn: psycopg.Connection) -> int:
    ((waiting, open_),) = conn.execute(
        "select (select count(*) from channel_event where message_id is null),"
        " (select count(*) from channel_message where state <> 'delivered')"
    ).fetchall()
    return int(waiting + open_)


@pytest.mark.parametrize("rounds", [KILLS, pytest.param(10 * KILLS, marks=pytest.mark.chaos)])
def test_no_message_is_lost_and_a_repeated_one_can_be_told(
    rounds: int, env: dict[str, str], tmp_path: Path
) -> None:
    dies = armed("channel.after_send", "kill")
    secret = new_secret()
    with (
        receiver() as hook,
        mailbox() as box,
        Services({**env, **SETTINGS}, tmp_path) as services,
        psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn,
    ):
        mail = {
            "UPTILL_SMTP_HOST": "127.0.0.1",
            "UPTILL_SMTP_PORT": str(box.port),
            "UPTILL_SMTP_TLS": "none",
            "UPTILL_SMTP_FROM": "uptill@example.com",
        }
        add_channel(conn, "hook", "webhook", secret, url=hook.url)
        add_channel(conn, "mail", "email", None, to=["ops@example.com"])
        topics = [f"topic {number}" for number in range(TOPICS)]
        for topic in topics:
            for channel in ("hook", "mail"):
                tell(conn, channel, topic)
        for _ in range(rounds):
            before = len(hook.received) + len(box.received)
            services.scheduler(**dies, **mail).wait()
            assert len(hook.received) + len(box.received) > before, "it died after a receiver had a message"
            # its lease runs out by the database's clock; the test need not wait for that
            conn.execute(EXPIRE)
        services.scheduler(**mail)
        wait_until(lambda: undelivered(conn) == 0, "every message")
        ids = {
            str(one): topic for one, topic in conn.execute("select id, topic from channel_message").fetchall()
        }
    assert len(ids) == 2 * TOPICS, "one message for each topic and channel"
    told = {
        request.headers["webhook-id"]: Webhook(secret).verify(request.body, request.headers)["data"]["topic"]
        for request in hook.received
    }
    told |= {
        one.mail["Message-ID"][1:].partition("@")[0]: one.mail["Subject"].removeprefix("Opened: ")
        for one in box.received
    }
    assert told == ids
    assert len(hook.received) + len(box.received) >= 2 * TOPICS + rounds, "some came twice"


@pytest.mark.chaos
@pytest.mark.parametrize("action", ["raise", "sleep:5"])
def test_a_sender_that_fails_or_oversleeps_its_lease_changes_nothing(
    action: str, env: dict[str, str], tmp_path: Path
) -> None:
    message = "select state, attempt from channel_message"
    with (
        receiver() as hook,
        Services({**env, **SETTINGS}, tmp_path) as services,
        psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn,
    ):
        add_channel(conn, "hook", "webhook", new_secret(), url=hook.url)
        tell(conn, "hook", "topic")
        services.scheduler(**armed("channel.after_send", action))
        wait_until(lambda: services.logged('"failpoint_hit"'), "the answer of the receiver")
        services.scheduler()
        assert conn.execute(message).fetchone() == ("leased", 1)
        conn.execute(EXPIRE)
        wait_until(lambda: conn.execute(message).fetchone() == ("delivered", 2), "the message")
        wait_until(
            lambda: action == "raise" or all(services.logged(f'"attempt": {n}') for n in (1, 2)),
            "the one that overslept",
        )
        assert conn.execute(message).fetchone() == ("delivered", 2)
    assert len({request.headers["webhook-id"] for request in hook.received}) == 1
    assert len(hook.received) == 2
