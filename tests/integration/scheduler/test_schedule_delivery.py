"""A schedule from its due time to its receivers, by processes with the database roles that they are meant to have."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from standardwebhooks import Webhook

from shared.settings import Settings
from shared.storage import make_storage
from tests.fixtures.buckets import content_of
from tests.fixtures.cutting_proxy import cutting_proxy
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.metrics import by_label, free_ports, on_port, scrape
from tests.fixtures.receiver import receiver
from tests.fixtures.services import Services, wait_until

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)


@contextmanager
def logins(url: str, *roles: str) -> Iterator[list[str]]:
    """Addresses of the database for a user with each of the roles, and nothing else."""
    users = [f"{role}_{token_hex(4)}" for role in roles]
    with psycopg.connect(url, autocommit=True) as conn:
        for user, role in zip(users, roles, strict=True):
            create = sql.SQL("create role {} login password 'for-a-test' in role {}")
            conn.execute(create.format(sql.Identifier(user), sql.Identifier(role)))
        try:
            at = urlsplit(url)
            yield [
                at._replace(netloc=f"{user}:for-a-test@{at.hostname}:{at.port}").geturl() for user in users
            ]
        finally:
            for user in users:
                conn.execute(sql.SQL("drop role {}").format(sql.Identifier(user)))


def test_two_schedulers_make_one_report_and_deliver_it_though_both_ways_fail_at_first(
    env: dict[str, str], tmp_path: Path
) -> None:
    url = env["UPTILL_DATABASE_URL"]
    load_fleet(url, {"a": Store(polls=[(NOW, True)]), "b": Store(polls=[(NOW, False)])})
    quick = {"UPTILL_SWEEP_S": "0.1", "UPTILL_WEBHOOK_ALLOW_PRIVATE": "true"}
    store_is_away = True
    with (
        receiver() as hook,
        cutting_proxy(env["UPTILL_S3_ENDPOINT"], lambda: 0 if store_is_away else 1 << 40) as proxy,
        free_ports("one", "other") as ports,
        logins(url, "uptill_api", "uptill_worker") as (api_url, worker_url),
        Services({**env, **quick}, tmp_path) as services,
        psycopg.connect(url, autocommit=True) as conn,
    ):
        hook.answer = lambda _: (500 if len(hook.received) == 1 else 204, {}, b"")
        services.api(UPTILL_DATABASE_URL=api_url)
        services.worker(UPTILL_DATABASE_URL=worker_url)
        with services.client() as client:
            secret = client.make_webhook_secret()
            schedule = client.create_schedule(
                "Täglich 6:30", cron="30 6 * * *", timezone="Europe/Berlin", policy="classic",
                formats=["json"], webhook_url=hook.url, s3_prefix="north/daily",
            )  # fmt: skip
            conn.execute("update report_schedule set due_at = date_trunc('minute', clock_timestamp())")
            away = {"UPTILL_DATABASE_URL": worker_url, "UPTILL_S3_ENDPOINT": proxy.endpoint}
            for port in ports.values():
                services.scheduler(**away, **on_port(port))
            wait_until(
                lambda: conn.execute(
                    "select 1 from schedule_run where delivery_error is not null"
                ).fetchone(),
                "a copy that failed",
            )
            wait_until(lambda: hook.received, "a webhook that was refused")
            store_is_away = False
            # Once: made due again while a scheduler is at it, the other would copy too.
            conn.execute("update schedule_run set delivery_due_at = clock_timestamp()")
            wait_until(
                lambda: (
                    conn.execute(
                        "update webhook_delivery set due_at = clock_timestamp() where state = 'pending'"
                    )
                    and conn.execute("select 1 from schedule_run where delivery = 'delivered'").fetchone()
                    and conn.execute("select 1 from webhook_delivery where state = 'delivered'").fetchone()
                ),
                "both deliveries",
                every_s=0.1,
            )
            shown = client.get_schedule(schedule.id)
            (run,) = shown.runs
            assert (run.report_state, run.delivery, run.error, run.delivery_error) == (
                "succeeded",
                "delivered",
                None,
                None,
            )
            (report,) = client.reports()
            assert report.id == run.report_id
            files = {}
            for file in client.get_report(report.id).files:
                client.save(file, tmp_path / file.name)
                files[file.format] = (tmp_path / file.name).read_bytes()
        storage = make_storage(
            Settings.model_validate(
                {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
            )
        )
        assert sorted(item.key for item in storage.list("deliveries/")) == sorted(run.objects)
        assert {key.rpartition(".")[2]: content_of(storage, key) for key in run.objects} == files
        for key in run.objects:
            assert key.startswith(f"deliveries/north/daily/T-glich-6-30-{run.due_at:%Y%m%dT%H%M%SZ}-")
        events = [Webhook(secret).verify(request.body, request.headers) for request in hook.received]
        assert {request.headers["webhook-id"] for request in hook.received} == {
            hook.received[0].headers["webhook-id"]
        }
        assert events[0]["data"]["id"] == report.id == json.loads(hook.received[-1].body)["data"]["id"]
        assert conn.execute("select count(*) from report").fetchone() == (1,)
        assert shown.next_due_at is not None
        assert shown.next_due_at > run.due_at
        assert counted("uptill_schedules_fired_total", ports) == {"accepted": 1}
        assert counted("uptill_webhook_attempts_total", ports) == {"delivered": 1, "failed": 1}
        assert not services.logged("permission denied")
        logs = "".join(path.read_text() for path in tmp_path.glob("*-services.scheduler.log")).splitlines()
        told = [line for line in map(json.loads, logs) if line.get("report_id") == report.id]
        events = [line["event"] for line in told]
        assert (events.count("schedule_fired"), events.count("files_delivered")) == (1, 1)
        assert "files_not_delivered" in events
        tries = sorted(
            (line["timestamp"], line["status"]) for line in told if line["event"] == "delivery_attempted"
        )
        assert [status for _, status in tries] == [500, 204]


def counted(name: str, ports: dict[str, int]) -> Counter[str]:
    """What both schedulers have counted, by result."""
    return sum((Counter(by_label(scrape(port), name, "result")) for port in ports.values()), Counter())
