"""Webhooks over the real API, Postgres and a real receiver; the scheduler's sender runs in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg_pool import ConnectionPool
from standardwebhooks import Webhook

from services.api.main import create_app
from services.scheduler.sender import Sender
from services.scheduler.webhooks.attempt import attempt_delivery
from services.scheduler.webhooks.deliveries import claim_delivery, record_outcome
from services.scheduler.webhooks.dial import Dialer
from services.scheduler.webhooks.outbox import WebhookOutbox
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.inputs import InputCache
from shared.db.connect import make_pool
from shared.keys import create_key
from shared.reports.claim import LeaseTerms
from shared.reports.due import bury_poison
from shared.settings import Settings
from shared.storage import make_storage
from shared.webhooks.model import AttemptOutcome, DeliveryLease
from tests.fixtures.certificates import certificate
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.logins import with_login
from tests.fixtures.receiver import Received, Receiver, receiver
from tests.fixtures.services import wait_until

LOOSE = Dialer(allow_private=True, timeout_s=5)
STRICT = Dialer(allow_private=False, timeout_s=5)


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    load_fleet(
        env["UPTILL_DATABASE_URL"], {"one": Store(polls=[(datetime(2024, 10, 14, 12, tzinfo=UTC), True)])}
    )
    return Settings.model_validate({**values, "webhook_allow_private": True})


@pytest.fixture
def api(settings: Settings) -> Iterator[TestClient]:
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    with TestClient(create_app(with_login(settings, "uptill_api")), headers=headers) as client:
        yield client


@pytest.fixture
def pool(settings: Settings) -> Iterator[ConnectionPool]:
    with make_pool(settings.database_url.get_secret_value(), application_name="test", max_size=6) as pool:
        yield pool


@pytest.fixture
def finish(settings: Settings, pool: ConnectionPool) -> Callable[[str], None]:
    """Does the work of a report of one batch."""
    worker = WorkerContext(
        pool, make_storage(settings), LeaseTerms("test", 60, 5), lambda _: None, InputCache(1 << 27)
    )

    def run(report_id: str) -> None:
        assert compute_batch(worker, UUID(report_id), 0)

    return run


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@contextmanager
def sending(pool: ConnectionPool, dialer: Dialer = LOOSE) -> Iterator[None]:
    sender = Sender([WebhookOutbox(pool, dialer)], threads=2)
    sender.start()
    try:
        yield
    finally:
        sender.stop(5)


def made(answer: Any, status: int = 201) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.status_code == status, body
    return body


def register(api: TestClient, url: str, **more: Any) -> dict[str, Any]:
    return made(api.post("/v1/webhook-endpoints", json={"url": url, **more}))


def trigger(api: TestClient, **more: Any) -> str:
    return str(made(api.post("/v1/reports", json={"force": True, **more}), 202)["id"])


def deliveries(api: TestClient, **chosen: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = made(api.get("/v1/webhook-deliveries", params=chosen), 200)["deliveries"]
    return found


def make_due(pool: ConnectionPool) -> None:
    with pool.connection() as conn:
        conn.execute("update webhook_delivery set due_at = clock_timestamp() where state = 'pending'")


def claim(pool: ConnectionPool) -> DeliveryLease:
    with pool.connection() as conn:
        lease = claim_delivery(conn, 60)
    assert lease is not None
    return lease


def settle(pool: ConnectionPool, lease: DeliveryLease, outcome: AttemptOutcome) -> UUID | None:
    with pool.connection() as conn:
        return record_outcome(conn, lease, outcome)


def test_every_end_of_a_report_is_told_once_and_signed(
    api: TestClient, pool: ConnectionPool, finish: Callable[[str], None], hook: Receiver
) -> None:
    """Succeeded, canceled, failed and, tried again, succeeded: to the endpoint; its filter holds."""
    endpoint = register(api, hook.url)
    picky = register(api, f"{hook.url}/canceled", events=["report.canceled"])
    finished, canceled, failed = trigger(api), trigger(api), trigger(api)
    finish(finished)
    assert api.delete(f"/v1/reports/{canceled}").status_code == 200
    assert api.delete(f"/v1/reports/{canceled}").status_code == 200  # no second event
    with pool.connection() as conn:
        conn.execute("update report_batch set burnt = 5 where report_id = %s", [failed])
        assert bury_poison(conn, 5) == [UUID(failed)]
    assert api.post(f"/v1/reports/{failed}/retry").status_code == 202
    finish(failed)
    with sending(pool):
        wait_until(lambda: len(deliveries(api, state="delivered")) == 5, "every delivery")
    told = []
    for request in hook.received:
        secret = (picky if request.path.endswith("/canceled") else endpoint)["secret"]
        event = Webhook(secret).verify(request.body, request.headers)
        assert set(event) == {"type", "timestamp", "data"}
        assert event["type"] == f"report.{event['data']['state']}"
        assert b"X-Amz" not in request.body, "no link travels"
        told.append((request.path, event["data"]["id"], event["data"]["state"]))
        shown = api.get(f"/v1/reports/{event['data']['id']}").json()
        assert event["data"]["stores_failed"] == 0
        if event["data"]["state"] == "succeeded":
            assert [
                {name: file[name] for name in ("kind", "format", "size_bytes", "sha256", "rows")}
                for file in shown["files"]
            ] == event["data"]["files"]
        if event["data"]["state"] == "failed":
            assert event["data"]["error"]["batch_no"] == 0
    assert sorted(told) == sorted(
        [
            ("/hook", finished, "succeeded"),
            ("/hook", canceled, "canceled"),
            ("/hook/canceled", canceled, "canceled"),
            ("/hook", failed, "failed"),
            ("/hook", failed, "succeeded"),
        ]
    )
    assert len({request.headers["webhook-id"] for request in hook.received}) == 5


class TestOneOffAddress:
    def test_is_signed_with_the_secrets_of_the_key(
        self, api: TestClient, pool: ConnectionPool, finish: Callable[[str], None], hook: Receiver
    ) -> None:
        refused = api.post("/v1/reports", json={"webhook_url": hook.url})
        assert (refused.status_code, refused.json()["type"]) == (
            409,
            "urn:uptill:error:webhook_secret_missing",
        )
        first = made(api.post("/v1/webhook-secret"))["secret"]
        second = made(api.post("/v1/webhook-secret"))["secret"]
        finish(trigger(api, webhook_url=hook.url))
        with sending(pool):
            wait_until(lambda: deliveries(api, state="delivered"), "the delivery")
        (request,) = hook.received
        for secret in (first, second):  # the one before signs along for a day
            assert Webhook(secret).verify(request.body, request.headers)["type"] == "report.succeeded"

    def test_of_a_shared_report_each_asker_is_told_once(
        self, api: TestClient, pool: ConnectionPool, finish: Callable[[str], None], hook: Receiver
    ) -> None:
        made(api.post("/v1/webhook-secret"))
        ask = {"force": False, "webhook_url": f"{hook.url}/early"}
        headers = {"Idempotency-Key": "once"}
        first = made(api.post("/v1/reports", json=ask, headers=headers), 202)["id"]
        assert made(api.post("/v1/reports", json=ask, headers=headers), 202)["id"] == first
        assert trigger(api, **ask) == first
        finish(first)
        assert trigger(api, **ask) == first
        assert trigger(api, force=False, webhook_url=f"{hook.url}/late") == first
        with sending(pool):
            wait_until(lambda: len(deliveries(api, state="delivered")) == 2, "both")
        assert sorted(request.path for request in hook.received) == ["/hook/early", "/hook/late"]


class TestAddresses:
    def test_bad_ones_are_refused_when_given(self, settings: Settings) -> None:
        strict = settings.model_copy(update={"webhook_allow_private": False})
        headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
        with TestClient(create_app(strict), headers=headers) as api:
            for url in ("http://example.com", "https://10.0.0.1/", "https://example.com:22/"):
                assert api.post("/v1/webhook-endpoints", json={"url": url}).status_code == 422
                refused = api.post("/v1/reports", json={"webhook_url": url})
                assert (refused.status_code, refused.json()["field"]) == (422, "body.webhook_url")

    @pytest.mark.parametrize(
        "addresses",
        [
            ["127.0.0.1"],
            ["93.184.215.14", "127.0.0.1"],
            ["::ffff:127.0.0.1"],
            ["169.254.169.254"],
            ["100.64.0.1"],
            [],
        ],
    )
    def test_a_name_that_leads_inside_is_refused_at_dial_time(
        self, addresses: list[str], hook: Receiver
    ) -> None:
        connected: list[Any] = []

        def never(address: tuple[Any, ...], timeout_s: float) -> Any:
            del timeout_s
            connected.append(address)
            raise OSError("the test does not connect")

        dialer = replace(
            STRICT,
            resolve=lambda _host, port: [(2, 1, 6, "", (address, port)) for address in addresses],
            connect=never,
        )
        outcome = attempt_delivery(dialer, lease_to(f"https://receiver.test:{hook.port}/"))
        assert outcome == AttemptOutcome(None, "receiver.test leads to an address that is not public")
        assert (connected, hook.received) == ([], [])

    def test_a_name_that_changes_is_asked_once_and_its_checked_address_is_the_one_connected_to(
        self, tmp_path: Path
    ) -> None:
        """DNS rebinding: public when checked, private a moment later. Certificate and Host are the name's."""
        context, authority = certificate(tmp_path, "receiver.test")
        answers = iter(["93.184.215.14", "127.0.0.1", "127.0.0.1"])
        connected: list[str] = []
        with receiver(context) as hook:

            def connect(address: tuple[Any, ...], timeout_s: float) -> Any:
                connected.append(address[0])
                import socket  # noqa: PLC0415 - in place of the internet

                return socket.create_connection(("127.0.0.1", hook.port), timeout_s)

            dialer = replace(
                STRICT,
                resolve=lambda _host, port: [(2, 1, 6, "", (next(answers), port))],
                connect=connect,
                authorities=str(authority),
            )
            outcome = attempt_delivery(dialer, lease_to("https://receiver.test/hook?a=b"))
            assert outcome == AttemptOutcome(204)
            assert connected == ["93.184.215.14"]
            (request,) = hook.received
            assert (request.path, request.headers["host"]) == ("/hook?a=b", "receiver.test")
            assert attempt_delivery(dialer, lease_to("https://receiver.test/")).error
            assert connected == ["93.184.215.14"], "the second time the name leads inside"
            other = attempt_delivery(
                replace(dialer, resolve=lambda _host, port: [(2, 1, 6, "", ("93.184.215.14", port))]),
                lease_to("https://other.test/"),
            )
            assert other.error is not None
            assert "CERTIFICATE_VERIFY_FAILED" in other.error


def lease_to(url: str, payload: str = "{}") -> DeliveryLease:
    return DeliveryLease(
        UUID(int=1), 1, url, "whsec_c2VjcmV0", None, payload, 1_700_000_000, UUID(int=2), None
    )


class TestReceiverAnswers:
    def test_redirects_are_not_followed(self, hook: Receiver) -> None:
        hook.answer = lambda _: (302, {"Location": f"{hook.url}/elsewhere"}, b"")
        assert attempt_delivery(LOOSE, lease_to(hook.url)) == AttemptOutcome(
            302, "redirects are not followed"
        )
        assert len(hook.received) == 1

    def test_a_long_answer_is_not_read_to_its_end(self, hook: Receiver) -> None:
        hook.answer = lambda _: (500, {}, b"x" * 10_000_000)
        outcome = attempt_delivery(LOOSE, lease_to(hook.url))
        assert outcome == AttemptOutcome(500, "it answered 500: " + "x" * 200)

    def test_silence_and_dribbling_end_at_the_time_limit(self, hook: Receiver) -> None:
        hook.silent.set()
        outcome = attempt_delivery(replace(LOOSE, timeout_s=0.3), lease_to(hook.url))
        assert outcome.status is None
        assert outcome.error is not None
        assert outcome.error.startswith("no answer")

    def test_nobody_there(self) -> None:
        outcome = attempt_delivery(LOOSE, lease_to("http://127.0.0.1:1/"))
        assert (outcome.status, (outcome.error or "")[:14]) == (None, "no connection:")

    def test_what_is_no_http_is_a_failure(self) -> None:
        import socket  # noqa: PLC0415 - this test alone speaks something else
        import threading  # noqa: PLC0415

        with socket.create_server(("127.0.0.1", 0)) as server:

            def answer() -> None:
                client, _ = server.accept()
                with client:
                    client.recv(1 << 16)
                    client.sendall(b"220 mail.example ESMTP\r\n")

            thread = threading.Thread(target=answer)
            thread.start()
            outcome = attempt_delivery(LOOSE, lease_to(f"http://127.0.0.1:{server.getsockname()[1]}/"))
            thread.join()
        assert "BadStatusLine" in (outcome.error or "")


class TestWebhookRetries:
    def test_a_failure_is_tried_again_under_the_same_id_until_it_is_taken(
        self, api: TestClient, pool: ConnectionPool, finish: Callable[[str], None], hook: Receiver
    ) -> None:
        secret = register(api, hook.url)["secret"]
        hook.answer = lambda _: (503 if len(hook.received) < 3 else 200, {}, b"later")
        finish(trigger(api))
        with sending(pool):
            for tries in (1, 2):
                wait_until(lambda tries=tries: len(hook.received) == tries, "an attempt")  # type: ignore[misc]
                wait_until(lambda: deliveries(api, state="pending"), "its end")
                (waiting,) = deliveries(api)
                assert (waiting["last_status"], waiting["last_error"]) == (503, "it answered 503: later")
                make_due(pool)
            wait_until(lambda: deliveries(api, state="delivered"), "success")
        assert len({request.headers["webhook-id"] for request in hook.received}) == 1
        assert {request.body for request in hook.received} == {hook.received[0].body}
        for request in hook.received:
            Webhook(secret).verify(request.body, request.headers)
        (delivered,) = deliveries(api)
        assert (delivered["attempt"], delivered["last_error"]) == (3, None)

    def test_pauses_grow_with_jitter_and_end_after_a_day(
        self, api: TestClient, pool: ConnectionPool, finish: Callable[[str], None], hook: Receiver
    ) -> None:
        register(api, hook.url)
        finish(trigger(api))
        pauses = []
        for _ in range(14):
            settle(pool, claim(pool), AttemptOutcome(500, "no"))
            with pool.connection() as conn:
                row = conn.execute(
                    "select extract(epoch from due_at - clock_timestamp())::float8 from webhook_delivery"
                ).fetchone()
            assert row is not None
            pauses.append(row[0])
            make_due(pool)
        limits = [min(7200, 10 * 2**tries) for tries in range(14)]
        assert all(pause <= limit for pause, limit in zip(pauses, limits, strict=True))
        assert max(pauses) > 100  # of fourteen draws, four of up to two hours
        lease = claim(pool)
        with pool.connection() as conn:
            conn.execute("update webhook_delivery set give_up_at = clock_timestamp() - interval '1 second'")
        settle(pool, lease, AttemptOutcome(500, "no"))
        (given_up,) = deliveries(api, state="failed")
        assert given_up["ended_at"] is not None
        assert made(api.post(f"/v1/webhook-deliveries/{given_up['id']}/resend"), 202)["state"] == "pending"
        with sending(pool):
            wait_until(lambda: deliveries(api, state="delivered"), "the delivery")
        assert hook.received[0].headers["webhook-id"] == given_up["id"]

    def test_a_lost_lease_changes_nothing(
        self, api: TestClient, pool: ConnectionPool, finish: Callable[[str], None], hook: Receiver
    ) -> None:
        register(api, hook.url)
        finish(trigger(api))
        slow = claim(pool)
        with pool.connection() as conn:
            assert claim_delivery(conn, 60) is None, "leased to one sender at a time"
            conn.execute("update webhook_delivery set lease_until = clock_timestamp() - interval '1 second'")
        quick = claim(pool)
        assert (quick.id, quick.attempt) == (slow.id, slow.attempt + 1)
        settle(pool, slow, AttemptOutcome(None, "late"))
        assert deliveries(api)[0]["state"] == "leased"
        assert api.post(f"/v1/webhook-deliveries/{slow.id}/resend").status_code == 409
        settle(pool, quick, AttemptOutcome(204))
        assert deliveries(api)[0]["state"] == "delivered"

    def test_a_silent_receiver_holds_up_no_other(
        self, api: TestClient, pool: ConnectionPool, finish: Callable[[str], None], hook: Receiver
    ) -> None:
        with receiver() as silent:
            silent.silent.set()
            register(api, silent.url)
            for _ in range(4):
                finish(trigger(api))
            endpoint = register(api, hook.url)
            for _ in range(4):
                finish(trigger(api))
            with sending(pool, replace(LOOSE, timeout_s=60)):
                wait_until(lambda: len(hook.received) == 4, "the other receiver to be served")
                assert len(silent.received) == 1
                assert len(deliveries(api, endpoint_id=endpoint["id"], state="pending")) == 0
                silent.silent.clear()
            with pool.connection() as conn:
                given_back = conn.execute(
                    "select count(*) from webhook_delivery where state = 'leased'"
                ).fetchone()
            assert given_back == (0,), "a sender that stops gives back what it has not heard the end of"


class TestEndpoints:
    def test_410_disables_and_enabling_sends_what_waits(
        self, api: TestClient, pool: ConnectionPool, finish: Callable[[str], None], hook: Receiver
    ) -> None:
        endpoint = register(api, hook.url, description="a test")
        path = f"/v1/webhook-endpoints/{endpoint['id']}"
        hook.answer = lambda _: (410, {}, b"")
        for _ in range(2):
            finish(trigger(api))
        with sending(pool):
            wait_until(lambda: api.get(path).json()["state"] == "disabled", "the endpoint to be disabled")
        assert len(hook.received) == 1
        assert api.get(path).json()["disabled_because"] == "it answered 410 Gone"
        finish(trigger(api))  # of which it is not told at all
        hook.answer = lambda _: (200, {}, b"")
        assert api.post(f"{path}/enable").json()["state"] == "enabled"
        with sending(pool):
            wait_until(lambda: deliveries(api, state="delivered"), "what was waiting")
        assert sorted(one["state"] for one in deliveries(api, endpoint_id=endpoint["id"])) == [
            "delivered",
            "failed",
        ]

    def test_one_that_failed_for_days_is_disabled(
        self, api: TestClient, pool: ConnectionPool, finish: Callable[[str], None], hook: Receiver
    ) -> None:
        endpoint = register(api, hook.url)
        finish(trigger(api))
        assert settle(pool, claim(pool), AttemptOutcome(500, "no")) is None
        with pool.connection() as conn:
            conn.execute("update webhook_endpoint set failing_since = failing_since - interval '6 days'")
        make_due(pool)
        assert settle(pool, claim(pool), AttemptOutcome(500, "no")) == UUID(endpoint["id"])
        shown = api.get("/v1/webhook-endpoints").json()["endpoints"]
        assert [one["disabled_because"] for one in shown] == ["every delivery failed for days"]

    def test_the_secret_is_shown_once_and_deleting_forgets_everything(
        self, api: TestClient, pool: ConnectionPool, finish: Callable[[str], None], hook: Receiver
    ) -> None:
        endpoint = register(api, hook.url)
        finish(trigger(api))
        path = f"/v1/webhook-endpoints/{endpoint['id']}"
        for answer in (api.get(path), api.get("/v1/webhook-endpoints"), api.get("/v1/webhook-deliveries")):
            assert "whsec_" not in answer.text
        assert "whsec_" not in repr(claim(pool))
        assert api.delete(path).status_code == 204
        assert deliveries(api) == []
        for method, where in (("GET", path), ("DELETE", path), ("POST", f"{path}/enable")):
            assert api.request(method, where).status_code == 404
        assert api.post(f"/v1/webhook-deliveries/{UUID(int=1)}/resend").status_code == 404

    def test_only_admins_see_them(self, api: TestClient, settings: Settings) -> None:
        with psycopg.connect(settings.database_url.get_secret_value()) as conn:
            key = create_key(conn, name="other", scopes=["reports:read", "reports:write"])
        headers = {"Authorization": f"Bearer {key}"}
        for method, path in (
            ("GET", "/v1/webhook-endpoints"),
            ("POST", "/v1/webhook-endpoints"),
            ("GET", "/v1/webhook-deliveries"),
        ):
            assert (
                api.request(method, path, headers=headers, json={"url": "https://x.test"}).status_code == 403
            )

    def test_the_roles_can_do_their_part_and_the_api_cannot_read_an_endpoint_s_secret(
        self, api: TestClient, pool: ConnectionPool, hook: Receiver
    ) -> None:
        register(api, hook.url)
        report_id = trigger(api)
        with pool.connection() as conn:
            conn.execute("set local role uptill_api")
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                conn.execute("select secret from webhook_endpoint")
            conn.execute(
                "update report set state = 'canceled', finished_at = now() where id = %s", [report_id]
            )
            conn.execute("set constraints all immediate")
        with pool.connection() as conn:
            conn.execute("set local role uptill_worker")
            lease = claim_delivery(conn, 60)
            assert lease is not None
            record_outcome(conn, lease, AttemptOutcome(500, "no"))
        assert deliveries(api)[0]["last_status"] == 500


def test_a_request_of_the_receiver_s_is_a_value(hook: Receiver) -> None:
    attempt_delivery(LOOSE, lease_to(hook.url, '{"ü": 1}'))
    assert hook.received == [Received("/hook", hook.received[0].headers, '{"ü": 1}'.encode())]
    assert hook.received[0].headers["content-type"] == "application/json"
