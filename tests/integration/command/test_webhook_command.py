"""`uptill webhooks` against the real API: every subcommand."""

import json
from pathlib import Path

import psycopg

from shared.ids import new_id
from tests.fixtures.services import Services


def test_every_subcommand(env: dict[str, str], tmp_path: Path) -> None:
    with Services({**env, "COLUMNS": "250"}, tmp_path) as services:
        services.api()

        def run(*arguments: str) -> str:
            done = services.run("webhooks", *arguments)
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert run("create", "https://example.com/hook", "--event", "report.failed").startswith("whsec_")
        assert run("secret").startswith("whsec_")
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            row = conn.execute("select id from webhook_endpoint").fetchone()
            assert row is not None
            endpoint, report, delivery = str(row[0]), new_id(), new_id()
            conn.execute("update webhook_endpoint set state = 'disabled', disabled_because = 'a test'")
            conn.execute(
                "insert into report (id, state, as_of, policy, policy_version, data_cut)"
                " values (%s, 'failed', now(), 'classic', 1, 0)",
                [report],
            )
            conn.execute(
                "insert into webhook_delivery (id, endpoint_id, report_id, event, payload, state, last_error)"
                " values (%s, %s, %s, 'report.failed', '{}', 'failed', 'nobody there')",
                [delivery, endpoint, report],
            )
        listed = run("list")
        assert endpoint in listed
        assert "a test" in listed
        assert "whsec_" not in listed
        run("enable", endpoint)
        assert "enabled" in run("list")
        assert "nobody there" in run("deliveries", "--endpoint", endpoint, "--state", "failed")
        run("resend", str(delivery))
        assert str(delivery) in run("deliveries", "--report", str(report), "--state", "pending")
        assert [one["id"] for one in json.loads(run("list", "--json"))] == [endpoint]
        (one,) = json.loads(run("deliveries", "--json"))
        assert (one["id"], one["report_id"]) == (str(delivery), str(report))
        run("delete", endpoint)
        assert endpoint not in run("list")
        refused = services.run("webhooks", "create", "http://example.com")
        assert refused.returncode == 2
        assert "begin it with https://" in refused.stderr
