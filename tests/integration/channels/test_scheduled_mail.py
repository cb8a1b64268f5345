"""A scheduled report by mail: the end of the report queues it, the summary is in the message, small files are attached."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.scheduler.channels import report_summary
from services.scheduler.channels.chat import ChatTerms
from services.scheduler.channels.mail_server import MailServer
from services.scheduler.channels.outbox import MessageOutbox, Outlets
from services.scheduler.webhooks.dial import Dialer
from services.worker.context import WorkerContext
from shared.reports.due import bury_poison
from shared.settings import Settings
from shared.storage import make_storage
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import work
from tests.fixtures.mailbox import Mailbox, ReceivedMail, mailbox
from tests.fixtures.receiver import Receiver, receiver

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as running:
        yield running


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def outbox(settings: Settings, worker: WorkerContext, box: Mailbox) -> MessageOutbox:
    mail = MailServer("127.0.0.1", box.port, "none", "uptill@example.com", timeout_s=5)
    outlets = Outlets(Dialer(True, 5), mail, ChatTerms(allow_private=True), "https://uptill.test")
    return MessageOutbox(worker.pool, make_storage(settings), outlets, 0)


@pytest.fixture
def report_id(api: TestClient, owner: psycopg.Connection, settings: Settings, hook: Receiver) -> str:
    """A report of a schedule that tells three channels, accepted and not computed."""
    load_fleet(
        settings.database_url.get_secret_value(),
        {"a": Store(polls=[(NOW, True)]), "b": Store(polls=[(NOW, False)])},
    )
    for name, body in {
        "mail": {"kind": "email", "to": ["boss@example.com"]},
        "link": {"kind": "email", "to": ["ops@example.com"], "attach": False},
        "idle": {"kind": "email", "to": ["idle@example.com"]},
    }.items():
        assert api.put(f"/v1/channels/{name}", json=body).status_code == 200
    owner.execute(
        "insert into channel (name, kind, destination, secret, shown, per_minute, attach)"
        " values ('hook', 'webhook', jsonb_build_object('url', %s::text), 'whsec_c2VjcmV0', '', 20, true)",
        [hook.url],
    )
    channels = ["mail", "link", "hook"]
    body = {"name": "north", "cron": "0 6 * * *", "timezone": "UTC", "deliver": {"channels": channels}}
    schedule = api.post("/v1/report-schedules", json=body).json()
    made: dict[str, Any] = api.post("/v1/reports", json={"force": True, "formats": ["csv", "json"]}).json()
    owner.execute(
        "insert into schedule_run (schedule_id, due_at, report_id) values (%s, clock_timestamp(), %s)",
        [schedule["id"], made["id"]],
    )
    return str(made["id"])


def send_all(outbox: MessageOutbox) -> None:
    while (lease := outbox.claim()) is not None:
        outbox.send(lease)


def to(box: Mailbox, name: str) -> ReceivedMail:
    (found,) = (one for one in box.received if one.to == [f"{name}@example.com"])
    return found


def text_of(received: ReceivedMail) -> str:
    body = received.mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r", "")


def test_the_summary_is_in_the_message_and_the_files_are_attached(
    report_id: str, outbox: MessageOutbox, worker: WorkerContext, box: Mailbox, hook: Receiver
) -> None:
    assert outbox.claim() is None
    work(worker, report_id)
    send_all(outbox)
    assert len(box.received) == 2, "the channel that the schedule does not name gets nothing"
    mail = to(box, "boss")
    assert mail.mail["Subject"] == "Report: north"
    text = text_of(mail)
    assert "As of: 2024-10-14 18:00:00 UTC" in text
    assert "Stores: 2\n" in text
    assert re.search(r"Last week: \d+\.\d\d % up, \d stores were down", text)
    assert f"https://uptill.test/reports/{report_id}" in text
    attached: dict[Any, Any] = {
        one.get_filename(): one.get_payload(decode=True) for one in mail.mail.iter_attachments()
    }
    assert set(attached) == {"report.csv", "report.json"}
    assert bytes(attached["report.csv"]).startswith(b"store_id,")
    assert list(to(box, "ops").mail.iter_attachments()) == []
    (request,) = hook.received
    assert report_id.encode() in request.body


def test_files_above_the_limit_are_left_to_the_link(
    report_id: str,
    outbox: MessageOutbox,
    worker: WorkerContext,
    box: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work(worker, report_id)
    monkeypatch.setattr(report_summary, "MAX_ATTACHED_BYTES", 10)
    send_all(outbox)
    assert list(to(box, "boss").mail.iter_attachments()) == []
    assert f"https://uptill.test/reports/{report_id}" in text_of(to(box, "boss"))


def test_a_report_that_failed_is_told_too(
    report_id: str, outbox: MessageOutbox, worker: WorkerContext, box: Mailbox
) -> None:
    with worker.pool.connection() as conn:
        conn.execute("update report_batch set burnt = 5 where report_id = %s", [report_id])
        assert [str(each) for each in bury_poison(conn, 5)] == [report_id]
    send_all(outbox)
    mail = to(box, "boss")
    assert mail.mail["Subject"] == "Report failed: north"
    assert "Error: " in text_of(mail)
    assert list(mail.mail.iter_attachments()) == []


def test_a_file_that_is_lost_does_not_hold_up_the_message(
    report_id: str, outbox: MessageOutbox, worker: WorkerContext, box: Mailbox, owner: psycopg.Connection
) -> None:
    work(worker, report_id)
    for (key,) in owner.execute("select object from report_file").fetchall():
        outbox.storage.delete(key)
    send_all(outbox)
    assert "Last week" not in text_of(to(box, "boss"))
    assert list(to(box, "boss").mail.iter_attachments()) == []


def test_a_bucket_that_is_away_costs_an_attempt(
    report_id: str, outbox: MessageOutbox, worker: WorkerContext, box: Mailbox, settings: Settings
) -> None:
    work(worker, report_id)
    away = settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"})
    send_all(replace(outbox, storage=make_storage(away)))
    assert box.received == []
    with worker.pool.connection() as conn:
        errors = conn.execute("select distinct state, last_error from channel_message").fetchall()
        conn.execute("update channel_message set due_at = clock_timestamp()")
    ((state, error),) = errors
    assert state == "pending"
    assert "it cannot be sent now" in error
    send_all(outbox)
    assert len(box.received) == 2
