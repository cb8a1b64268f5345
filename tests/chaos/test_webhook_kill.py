"""The sender dies, fails or falls asleep between the receiver's answer and its record: the event comes again, under the same id."""

import signal
from pathlib import Path

import psycopg
import pytest
from standardwebhooks import Webhook

from tests.fixtures.failpoints import armed
from tests.fixtures.receiver import receiver
from tests.fixtures.services import Services, kill_group, wait_until
from tests.fixtures.small_report import SmallFleet, await_success

KILLS, REPORTS = 3, 4


@pytest.mark.parametrize("rounds", [KILLS, pytest.param(10 * KILLS, marks=pytest.mark.chaos)])
def test_no_event_is_lost_and_a_repeated_one_can_be_told(
    rounds: int, env: dict[str, str], small_fleet: SmallFleet, tmp_path: Path
) -> None:
    small_fleet.load(env["UPTILL_DATABASE_URL"])
    settings = {
        "UPTILL_WEBHOOK_ALLOW_PRIVATE": "true",
        "UPTILL_WEBHOOK_TIMEOUT_S": "2",
        "UPTILL_SWEEP_S": "0.2",
    }
    dies = armed("webhook.after_send", "kill")
    with receiver() as hook, Services({**env, **settings}, tmp_path) as services:
        services.api()
        services.worker()
        with services.client() as client:
            secret = client.create_endpoint(hook.url).secret
            assert secret is not None
            made = [client.create_report(force=True).id for _ in range(REPORTS)]
        for report_id in made:
            await_success(services, report_id, small_fleet.expected, tmp_path)
        with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
            for kill in range(rounds):
                services.scheduler(**dies).wait()
                assert len(hook.received) == kill + 1, "it died after the receiver had the event"
                # its lease runs out by the database's clock; the test need not wait for that
                conn.execute(
                    "update webhook_delivery set lease_until = clock_timestamp() where state = 'leased'"
                )
            frozen = services.scheduler()
            hook.silent.set()
            wait_until(lambda: len(hook.received) == rounds + 1, "one that is being sent")
            kill_group(frozen, signal.SIGKILL)
            hook.silent.clear()
            conn.execute("update webhook_delivery set lease_until = clock_timestamp() where state = 'leased'")
            services.scheduler()

            def undelivered() -> int:
                row = conn.execute(
                    "select count(*) from webhook_delivery where state <> 'delivered'"
                ).fetchone()
                assert row is not None
                return int(row[0])

            wait_until(lambda: undelivered() == 0, "every delivery")
            ids = {str(one) for (one,) in conn.execute("select id from webhook_delivery").fetchall()}
    events = {
        request.headers["webhook-id"]: Webhook(secret).verify(request.body, request.headers)
        for request in hook.received
    }
    assert set(events) == ids
    assert sorted(event["data"]["id"] for event in events.values()) == sorted(made)
    assert len(hook.received) > REPORTS, "some came twice"


@pytest.mark.chaos
@pytest.mark.parametrize("action", ["raise", "sleep:5"])
def test_a_sender_that_fails_or_oversleeps_its_lease_changes_nothing(
    action: str, env: dict[str, str], small_fleet: SmallFleet, tmp_path: Path
) -> None:
    small_fleet.load(env["UPTILL_DATABASE_URL"])
    settings = {"UPTILL_WEBHOOK_ALLOW_PRIVATE": "true", "UPTILL_SWEEP_S": "0.2"}
    delivery = "select state, attempt from webhook_delivery"
    with receiver() as hook, Services({**env, **settings}, tmp_path) as services:
        services.api()
        services.worker()
        with services.client() as client:
            client.create_endpoint(hook.url)
            report_id = client.create_report(force=True).id
        await_success(services, report_id, small_fleet.expected, tmp_path)
        services.scheduler(**armed("webhook.after_send", action))
        wait_until(lambda: services.logged('"failpoint_hit"'), "the answer of the receiver")
        services.scheduler()
        with psycopg.connect(env["UPTILL_DATABASE_URL"], autocommit=True) as conn:
            assert conn.execute(delivery).fetchone() == ("leased", 1)
            conn.execute("update webhook_delivery set lease_until = clock_timestamp()")
            wait_until(lambda: conn.execute(delivery).fetchone() == ("delivered", 2), "the delivery")
            wait_until(
                lambda: sum(services.logged(f'"attempt": {n}') for n in (1, 2)) == 2 or action == "raise",
                "the one that overslept",
            )
            assert conn.execute(delivery).fetchone() == ("delivered", 2)
    assert len({request.headers["webhook-id"] for request in hook.received}) == 1
    assert len(hook.received) == 2
