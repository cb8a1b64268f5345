"""Messages from the queue to local receivers: bundled, in order, limited, repeated under the same id, without secrets."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import structlog
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool
from standardwebhooks import Webhook

from services.scheduler.channels.chat import ChatTerms
from services.scheduler.channels.mail_server import MailServer
from services.scheduler.channels.messages import claim_message, record_outcome, release_messages
from services.scheduler.channels.outbox import MessageOutbox, Outlets
from services.scheduler.webhooks.dial import Dialer
from shared.channels.model import MessageLease
from shared.channels.notice import Notice
from shared.channels.queue_message import QueuedEvent, queue_message
from shared.db.connect import make_pool
from shared.settings import Settings
from shared.storage import make_storage
from shared.telemetry import configure_logging
from shared.webhooks.model import AttemptOutcome
from shared.webhooks.secret import new_secret
from tests.fixtures.logins import login_url
from tests.fixtures.mailbox import Mailbox, mailbox
from tests.fixtures.receiver import Receiver, receiver

FAILED = AttemptOutcome(None, "it failed")
TOKEN = "s3cr3t-t0ken"


@dataclass(frozen=True)
class Desk:
    """What a test needs to queue and send."""

    conn: psycopg.Connection
    outbox: MessageOutbox

    def add(
        self, name: str, kind: str, secret: str | None = None, per_minute: int = 600, **where: Any
    ) -> None:
        with psycopg.connect(self.conn.info.dsn, password=self.conn.info.password, user="uptill") as owner:
            owner.execute(
                "insert into channel (name, kind, destination, secret, shown, per_minute, attach)"
                " values (%s, %s, %s, %s, 'masked', %s, true)",
                [name, kind, Jsonb(where), secret, per_minute],
            )

    def tell(self, channel: str, what: str = "it", topic: str = "rule", **more: Any) -> None:
        notice = Notice(event=more.pop("event", "incident.opened"), what=what, **more.pop("notice", {}))
        event = QueuedEvent(channel=channel, topic=topic, idempotency_id=str(uuid4()), notice=notice, **more)
        assert queue_message(self.conn, event)

    def claim(self, gather_s: float = 0) -> MessageLease | None:
        return claim_message(self.conn, 60, gather_s)

    def must_claim(self) -> MessageLease:
        lease = self.claim()
        assert lease is not None
        return lease

    def send_all(self) -> int:
        sent = 0
        while (lease := self.outbox.claim()) is not None:
            self.outbox.send(lease)
            sent += 1
        return sent

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        return self.conn.execute(statement).fetchall()


@pytest.fixture
def pool(database_url: str) -> Iterator[ConnectionPool]:
    url = login_url(database_url, "uptill_worker")
    with make_pool(url, application_name="test", max_size=3) as pool:
        yield pool


@pytest.fixture
def desk(env: dict[str, str], conn: psycopg.Connection, pool: ConnectionPool) -> Desk:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    outlets = Outlets(Dialer(True, 5), None, ChatTerms(allow_private=True), "https://uptill.test/")
    return Desk(conn, MessageOutbox(pool, make_storage(Settings.model_validate(values)), outlets, 0))


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """What this process logs, as a scheduler does."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level, stream = root.handlers[:], root.level, io.StringIO()
    configure_logging("scheduler", "DEBUG")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as running:
        yield running


def with_mail(desk: Desk, box: Mailbox) -> Desk:
    server = MailServer("127.0.0.1", box.port, "none", "uptill@example.com", timeout_s=5)
    outlets = replace(desk.outbox.outlets, mail=server)
    return replace(desk, outbox=replace(desk.outbox, outlets=outlets))


class TestBundles:
    def test_three_thousand_incidents_of_a_rule_are_one_message_for_each_channel(
        self, desk: Desk, box: Mailbox
    ) -> None:
        desk = with_mail(desk, box)
        for name in ("ops", "boss"):
            desk.add(name, "email", to=[f"{name}@example.com"])
        for name in ("ops", "boss"):
            desk.tell(name, "a store is down", topic="north")
        desk.conn.execute(
            "insert into channel_event (id, channel, topic, event, notice)"
            " select gen_random_uuid(), channel, topic, event, notice from channel_event, generate_series(2, 3000)"
        )
        desk.tell("ops", "other", topic="south")
        assert desk.send_all() == 3
        subjects = sorted(one.mail["Subject"] for one in box.received)
        assert subjects == ["Opened: other", "north: 3,000 opened", "north: 3,000 opened"]
        body = next(one for one in box.received if one.mail["Subject"].startswith("north"))
        plain = body.mail.get_body(("plain",))
        assert plain is not None
        assert "and 2,980 more" in plain.get_content()
        assert desk.query("select count(*) from channel_event where message_id is null") == [(0,)]

    def test_an_event_waits_for_others_and_for_its_time(self, desk: Desk) -> None:
        desk.add("ops", "email", to=["a@b.test"])
        desk.tell("ops")
        assert desk.claim(gather_s=60) is None
        desk.conn.execute("update channel_event set queued_at = queued_at - interval '61 seconds'")
        desk.tell("ops", not_before=datetime.now(UTC) + timedelta(hours=8))
        desk.tell("ops")
        assert desk.claim(gather_s=60) is not None
        told = "select count(*) filter (where message_id is not null), count(*) from channel_event"
        assert desk.query(told) == [(2, 3)], "the one of the quiet hours waits"

    def test_what_follows_a_message_that_fails_waits_and_is_told_together(self, desk: Desk) -> None:
        desk.add("ops", "email", to=["a@b.test"])
        desk.tell("ops")
        first = desk.must_claim()
        assert record_outcome(desk.conn, first, FAILED) == "pending"
        for _ in range(3):
            desk.tell("ops", event="incident.resolved")
        assert desk.claim() is None
        desk.conn.execute("update channel_message set due_at = clock_timestamp()")
        again = desk.must_claim()
        assert (again.id, again.attempt) == (first.id, 2)
        events = f"select count(*) from channel_event where message_id = '{first.id}'"
        assert desk.query(events) == [(1,)], "a message that was tried does not change"
        assert record_outcome(desk.conn, again, AttemptOutcome(250)) == "delivered"
        second = desk.must_claim()
        assert second.id != first.id
        assert desk.query(f"select count(*) from channel_event where message_id = '{second.id}'") == [(3,)]

    def test_an_event_joins_a_message_that_nobody_has_tried(self, desk: Desk) -> None:
        desk.add("ops", "email", per_minute=1, to=["a@b.test"])
        desk.tell("ops", topic="first")
        assert record_outcome(desk.conn, desk.must_claim(), AttemptOutcome(250)) == "delivered"
        desk.tell("ops")
        assert desk.claim() is None, "the rate is used up, and the message waits"
        desk.tell("ops")
        desk.conn.execute("update channel set spent_at = '-infinity'")
        lease = desk.must_claim()
        assert desk.query(f"select count(*) from channel_event where message_id = '{lease.id}'") == [(2,)]


class TestStateMachine:
    def test_a_channel_gets_one_message_at_a_time_and_others_go_on(self, desk: Desk) -> None:
        for name in ("ops", "boss"):
            desk.add(name, "email", to=["a@b.test"])
            desk.tell(name, topic="one")
            desk.tell(name, topic="two")
        assert {desk.must_claim().channel, desk.must_claim().channel} == {"ops", "boss"}
        assert desk.claim() is None

    def test_the_rate_of_a_channel_holds(self, desk: Desk) -> None:
        desk.add("ops", "email", per_minute=3, to=["a@b.test"])
        for number in range(9):
            desk.tell("ops", topic=f"topic {number}")
        sent = 0
        while (lease := desk.claim()) is not None:
            record_outcome(desk.conn, lease, AttemptOutcome(250))
            sent += 1
        assert sent == 3
        desk.conn.execute("update channel set spent_at = spent_at - interval '20 seconds'")
        assert desk.claim() is not None

    def test_a_lost_lease_records_nothing(self, desk: Desk) -> None:
        desk.add("ops", "email", to=["a@b.test"])
        desk.tell("ops")
        slow = desk.must_claim()
        desk.conn.execute("update channel_message set lease_until = clock_timestamp() - interval '1 s'")
        fast = desk.must_claim()
        assert (fast.id, fast.attempt) == (slow.id, 2)
        assert record_outcome(desk.conn, slow, FAILED) is None
        assert record_outcome(desk.conn, slow, AttemptOutcome(250)) is None
        assert record_outcome(desk.conn, fast, AttemptOutcome(250)) == "delivered"

    def test_a_stop_gives_back_what_is_being_sent(self, desk: Desk) -> None:
        desk.add("ops", "email", to=["a@b.test"])
        desk.tell("ops")
        held = desk.must_claim()
        release_messages(desk.conn, [held])
        assert desk.must_claim().id == held.id

    def test_a_message_is_tried_for_a_day_and_then_given_up(self, desk: Desk) -> None:
        desk.add("ops", "email", to=["a@b.test"])
        desk.tell("ops")
        assert record_outcome(desk.conn, desk.must_claim(), FAILED) == "pending"
        ((wait,),) = desk.query("select due_at - clock_timestamp() from channel_message")
        assert timedelta(0) < wait <= timedelta(seconds=10)
        ((left,),) = desk.query("select give_up_at - created_at from channel_message")
        assert abs(left - timedelta(days=1)) < timedelta(seconds=1)  # two readings of the clock
        desk.conn.execute(
            "update channel_message set due_at = clock_timestamp(), give_up_at = clock_timestamp()"
        )
        assert record_outcome(desk.conn, desk.must_claim(), FAILED) == "failed"
        assert desk.claim() is None

    def test_a_removed_channel_takes_its_messages_with_it(
        self, desk: Desk, owner: psycopg.Connection
    ) -> None:
        desk.add("ops", "email", to=["a@b.test"])
        desk.tell("ops")
        lease = desk.must_claim()
        owner.execute("delete from channel")
        assert record_outcome(desk.conn, lease, AttemptOutcome(250)) is None
        assert desk.query("select count(*) from channel_event") == [(0,)]


class TestWebhook:
    def test_is_signed_and_says_what_the_notice_says(self, desk: Desk, hook: Receiver) -> None:
        secret = new_secret()
        desk.add("ops", "webhook", secret, url=hook.url)
        desk.tell(
            "ops",
            "12 stores are down",
            notice={
                "where": "region=north",
                "since_after": datetime(2024, 10, 14, 12, tzinfo=UTC),
                "since_by": datetime(2024, 10, 14, 12, 5, tzinfo=UTC),
                "polls": 3,
                "compared_with": "1 on other Mondays",
                "detection_delay_s": 330,
                "link": "/incidents/1",
                "members": ["one", "two"],
                "member_count": 12,
            },
        )
        assert desk.send_all() == 1
        (request,) = hook.received
        told = Webhook(secret).verify(request.body, request.headers)
        assert told["type"] == "incident.opened"
        ((message_id,),) = desk.query("select id from channel_message where state = 'delivered'")
        assert request.headers["webhook-id"] == str(message_id)
        (event,) = told["data"]["events"]
        assert event["since_after"] == "2024-10-14T12:00:00Z"
        assert event["link"] == "https://uptill.test/incidents/1"
        assert event["facts"] == {
            "Since": "between 2024-10-14 12:00:00 UTC and 2024-10-14 12:05:00 UTC",
            "Polls": "3",
            "Compared with": "1 on other Mondays",
            "Detection delay": "up to 5 min 30 s",
            "Stores": "12: one, two and 10 more",
        }
        assert told["data"]["counts"] == {"incident.opened": 1}

    def test_an_attempt_that_fails_is_repeated_under_the_same_id(self, desk: Desk, hook: Receiver) -> None:
        hook.answer = lambda _: (500 if len(hook.received) == 1 else 204, {}, b"")
        desk.add("ops", "webhook", new_secret(), url=hook.url)
        desk.tell("ops")
        assert desk.send_all() == 1
        assert desk.query("select state, last_status, last_error from channel_message") == [
            ("pending", 500, "it answered 500")
        ]
        desk.conn.execute("update channel_message set due_at = clock_timestamp()")
        assert desk.send_all() == 1
        first, second = hook.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body


class TestChat:
    def test_a_message_reaches_a_local_server(self, desk: Desk, hook: Receiver) -> None:
        hook.answer = lambda _: (200, {"Content-Type": "application/json"}, b'{"id": "1"}')
        desk.add("ops", "chat", url=f"ntfy://127.0.0.1:{hook.port}/{TOKEN}")
        desk.tell("ops", "12 stores are down")
        assert desk.send_all() == 1
        assert desk.query("select state, last_error from channel_message") == [("delivered", None)]
        assert b"12 stores are down" in hook.received[0].body

    def test_a_name_notifies_nobody(self, desk: Desk, hook: Receiver) -> None:
        hook.answer = lambda _: (200, {"Content-Type": "application/json"}, b'{"id": "1"}')
        desk.add("ops", "chat", url=f"ntfy://127.0.0.1:{hook.port}/{TOKEN}")
        desk.tell("ops", "@everyone (0042) is down @ 12:00, <!here> too, [x](http://e)")
        assert desk.send_all() == 1
        told = json.loads(hook.received[0].body)["message"]
        assert "@\u200beveryone (0042) is down @ 12:00" in told
        assert "\u2039!here\u203a too, [x]\u200b(http://e)" in told
        assert "@everyone" not in told

    @pytest.mark.parametrize(
        ("url", "error"),
        [
            ("ntfy://127.0.0.1:{port}/topic", "it leads to an address that is not public"),
            ("ntfy://localhost:{port}/topic", "it leads to an address that is not public"),
            ("slack://nonsense", "the chat URL is not valid for its service: set the channel again"),
        ],
    )
    def test_a_private_address_is_never_reached(
        self, url: str, error: str, desk: Desk, hook: Receiver
    ) -> None:
        strict = replace(desk.outbox.outlets, chat=ChatTerms(allow_private=False))
        desk = replace(desk, outbox=replace(desk.outbox, outlets=strict))
        desk.add("ops", "chat", url=url.format(port=hook.port))
        desk.tell("ops")
        assert desk.send_all() == 1
        assert desk.query("select state, last_error from channel_message") == [("pending", error)]
        assert hook.received == []

    def test_a_server_that_hangs_costs_one_attempt(self, desk: Desk, hook: Receiver) -> None:
        hook.silent.set()
        hasty = replace(desk.outbox.outlets, chat=ChatTerms(allow_private=True, timeout_s=0.2))
        desk = replace(desk, outbox=replace(desk.outbox, outlets=hasty))
        desk.add("ops", "chat", url=f"ntfy://127.0.0.1:{hook.port}/topic")
        desk.tell("ops")
        assert desk.send_all() == 1
        assert desk.query("select last_error from channel_message") == [("no answer within 0.2 s",)]


@pytest.mark.parametrize("breaks", ["refuses", "is away", "is wrong"])
def test_no_secret_appears_in_logs_or_errors(
    breaks: str, desk: Desk, hook: Receiver, box: Mailbox, logs: io.StringIO
) -> None:
    desk = with_mail(desk, box)
    hook.answer = lambda request: (500, {}, request.path.encode())  # it repeats the secret
    box.refuse = {f"{TOKEN}@example.com": f"550 no {TOKEN}"}
    port = {"refuses": hook.port, "is away": 1, "is wrong": 99_999}[breaks]
    desk.add("mail", "email", to=[f"{TOKEN}@example.com" if breaks != "is wrong" else f"{TOKEN}\r\nx@y.test"])
    secret = f"whsec_{TOKEN}" if breaks == "is wrong" else new_secret()
    desk.add("hook", "webhook", secret, url=f"http://127.0.0.1:{port}/{TOKEN}")
    desk.add("chat", "chat", url=f"ntfy://127.0.0.1:{port}/{TOKEN}")
    for channel in ("mail", "hook", "chat"):
        desk.tell(channel)
    assert desk.send_all() == 3
    states = desk.query("select channel, state, last_error from channel_message")
    assert len(states) == 3
    assert {state for _, state, _ in states} == {"pending"}, states
    assert not any(each in f"{states}" for each in (TOKEN, secret))
    # The test's mail server lives in this process and logs what it is told.
    logged = "\n".join(line for line in logs.getvalue().splitlines() if '"logger": "mail.log"' not in line)
    assert logged.count("message_attempted") == 3
    assert not any(each in logged for each in (TOKEN, secret))
    assert (f"/{TOKEN}" in [request.path for request in hook.received]) == (breaks == "refuses")


def test_no_repr_shows_a_secret(desk: Desk) -> None:
    desk.add("hook", "webhook", f"whsec_{TOKEN}", url=f"https://hooks.test/{TOKEN}")
    desk.tell("hook")
    assert TOKEN not in repr(desk.must_claim())
    assert TOKEN not in repr(MailServer("m", 25, "tls", "a@b.test", "user", TOKEN))
