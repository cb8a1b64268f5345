"""E-mails against real SMTP servers: with TLS and without, and servers that refuse, hang or break off."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.scheduler.channels.content import Content, Entry
from services.scheduler.channels.mail import Attachment, Envelope, build_mail
from services.scheduler.channels.mail_server import MailServer, TlsMode, send_mail
from shared.errors import ConfigurationError
from shared.settings import Settings
from shared.webhooks.model import AttemptOutcome
from tests.fixtures.certificates import certificate
from tests.fixtures.mailbox import Mailbox, mailbox

SENT = AttemptOutcome(250)
TO = ["ops@example.com", "boss@example.com"]
CONTENT = Content(
    "Opened: <3> stores are down",
    [Entry("Opened: <3> stores are down", [("Since", "between 1 & 2")], "https://uptill.test/incidents/1")],
    "and 2 more",
    "Uptill, channel ops",
)


def server_at(port: int, tls: TlsMode = "none", authority: Path | None = None, **more: str) -> MailServer:
    return MailServer(
        "localhost",
        port,
        tls,
        "uptill@example.com",
        timeout_s=5,
        authorities=None if authority is None else str(authority),
        **more,
    )


def send(server: MailServer, to: list[str] = TO, attachments: tuple[Attachment, ...] = ()) -> AttemptOutcome:
    envelope = Envelope(server.sender, to, "id-1", "ops", datetime(2024, 10, 14, tzinfo=UTC))
    return send_mail(server, build_mail(CONTENT, envelope, attachments), to)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as running:
        yield running


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return certificate(tmp_path_factory.mktemp("tls"), "localhost")


def test_a_mail_says_it_in_plain_text_and_html_and_how_to_unsubscribe(box: Mailbox) -> None:
    file = Attachment("report.csv", "text/csv; charset=utf-8", b"store_id\n" + b"x" * 5_000_000)
    assert send(server_at(box.port), attachments=(file,)) == SENT
    (received,) = box.received
    mail = received.mail
    assert received.to == TO
    assert mail["Subject"] == "Opened: <3> stores are down"
    assert mail["Message-ID"] == "<id-1@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] == "<mailto:uptill@example.com?subject=unsubscribe%20ops>"
    assert not any(address in mail.as_string()[:2000] for address in TO), (
        "recipients are not told of each other"
    )
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert "Since: between 1 & 2\nhttps://uptill.test/incidents/1" in plain.get_content().replace("\r", "")
    assert html is not None
    assert "Opened: &lt;3&gt; stores are down" in html.get_content()
    (attached,) = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("report.csv", "text/csv")
    assert len(attached.get_payload(decode=True)) == 5_000_009


def test_starttls_is_required_and_the_login_goes_over_it(tls: tuple[ssl.SSLContext, Path]) -> None:
    context, authority = tls
    with mailbox(context, starttls=True) as box:
        login = {"user": "uptill", "password": "right"}
        assert send(server_at(box.port, "starttls", authority, **login)) == SENT
        assert box.logins == [(b"uptill", b"right")]
        assert box.received[0].is_encrypted
        wrong = send(server_at(box.port, "starttls", authority, user="uptill", password="wrong-secret"))
        assert (wrong.status, wrong.error) == (535, "the mail server refused the login (535)")
    with mailbox() as plain:
        outcome = send(server_at(plain.port, "starttls", authority))
        assert outcome.error is not None
        assert "lacks TLS" in outcome.error
        assert plain.received == []


def test_tls_from_the_first_byte(tls: tuple[ssl.SSLContext, Path]) -> None:
    context, authority = tls
    with mailbox(context) as box:
        assert send(server_at(box.port, "tls", authority)) == SENT
        assert box.received[0].is_encrypted


@pytest.mark.parametrize("mode", ["tls", "starttls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    mode: TlsMode, tls: tuple[ssl.SSLContext, Path]
) -> None:
    with mailbox(tls[0], starttls=mode == "starttls") as box:
        outcome = send(server_at(box.port, mode))
        assert outcome.error == "no answer of the mail server: SSLCertVerificationError"
        assert box.received == []


def test_what_a_server_refuses_is_told_without_its_words(box: Mailbox) -> None:
    box.refuse = {TO[0]: f"550 no such user {TO[0]}"}
    assert send(server_at(box.port)) == SENT, "the other one has it: sending again would repeat it"
    assert box.received[0].to == [TO[1]]
    assert send(server_at(box.port), [TO[0]]) == AttemptOutcome(
        550, "the mail server refused every recipient (550)"
    )
    box.refuse = {"*": f"554 no mail for {TO[0]}"}
    assert send(server_at(box.port)) == AttemptOutcome(554, "the mail server refused the message (554)")


@contextmanager
def rude_server(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            thread.join()


def hang(connection: socket.socket) -> None:
    connection.recv(1)  # until the client hangs up


def dribble(connection: socket.socket) -> None:
    connection.settimeout(0.05)
    try:
        while True:
            connection.sendall(b"2")
            try:
                if connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue
    except OSError:
        return


def break_off(connection: socket.socket) -> None:
    connection.sendall(b"220 ready\r\n")
    connection.recv(4)


def be_busy(connection: socket.socket) -> None:
    connection.sendall(b"421 busy, ops@example.com\r\n")
    connection.recv(1)


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (hang, "no answer of the mail server"),
        (dribble, ""),
        (break_off, "no answer of the mail server: SMTPServerDisconnected"),
        (be_busy, "the mail server refused the connection (421)"),
    ],
)
def test_a_server_that_hangs_dribbles_or_breaks_off_costs_one_attempt(
    behave: Callable[[socket.socket], None], error: str
) -> None:
    with rude_server(behave) as port:
        server = MailServer("localhost", port, "none", "uptill@example.com", timeout_s=0.5)
        outcome = send(server)
    assert not outcome.is_success
    assert outcome.error is not None
    assert outcome.error.startswith(error)


def test_a_server_that_is_away_costs_one_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert send(server_at(port)) == AttemptOutcome(
        None, "no answer of the mail server: ConnectionRefusedError"
    )


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"smtp_host": "mail.test"}, "UPTILL_SMTP_FROM is not set"),
        (
            {"smtp_host": "m", "smtp_from": "a@b.test", "smtp_tls": "none", "smtp_password": "secret-1"},
            "without TLS",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, str], error: str) -> None:
    with pytest.raises(ConfigurationError, match=error) as refused:
        MailServer.of(Settings.model_validate(given))
    assert "secret-1" not in str(refused.value)


@pytest.mark.parametrize(("mode", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_follows_from_the_kind_of_tls(mode: str, port: int) -> None:
    server = MailServer.of(
        Settings.model_validate({"smtp_host": "m", "smtp_from": "a@b.test", "smtp_tls": mode})
    )
    assert server is not None
    assert server.port == port
    assert MailServer.of(Settings()) is None
