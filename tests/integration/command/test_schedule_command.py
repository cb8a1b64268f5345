"""`uptill schedules` against the real API: every subcommand."""

import json
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from shared.ids import new_id
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.services import Services


def test_every_subcommand(env: dict[str, str], tmp_path: Path) -> None:
    url = env["UPTILL_DATABASE_URL"]
    load_fleet(url, {"a": Store(polls=[(datetime(2024, 10, 14, 18, tzinfo=UTC), True)])})
    with Services({**env, "COLUMNS": "250"}, tmp_path) as services:
        services.api()

        def run(*arguments: str) -> str:
            done = services.run("schedules", *arguments)
            assert done.returncode == 0, done.stderr
            return done.stdout

        schedule = run(
            *("create", "weekdays", "--cron", "30 6 * * 1-5", "--zone", "Asia/Kolkata", "--as-of", "due"),
            *("--policy", "strict", "--window", "PT6H", "--store", "a", "--label", "owner=anna", "--detail"),
            *("--format", "json", "--s3-prefix", "finance/daily"),
        ).strip()
        listed = run("list")
        assert schedule in listed
        assert "finance/daily" in listed
        shown = run("show", schedule)
        for text in (
            "30 6 * * 1-5 in Asia/Kolkata",
            "active",
            "as_of=due",
            "policy=strict",
            "last_6h",
            "owner",
            " 06:30",
        ):
            assert text in shown
        run("pause", schedule)
        assert "paused" in run("list")
        run("resume", schedule)
        assert "paused" not in run("show", schedule)
        with psycopg.connect(url) as conn:
            report = new_id()
            conn.execute(
                "insert into report (id, state, as_of, policy, policy_version, data_cut)"
                " values (%s, 'succeeded', now(), 'classic', 1, 0)",
                [report],
            )
            conn.execute(
                "insert into schedule_run (schedule_id, due_at, report_id, error, delivery, delivery_error) values"
                " (%(id)s, '2026-01-05 01:00Z', %(report)s, null, 'waiting', 'the store was away'),"
                " (%(id)s, '2026-01-06 01:00Z', null, 'no such store', 'none', null)",
                {"id": schedule, "report": report},
            )
        shown = run("show", schedule)
        (as_json,) = json.loads(run("list", "--json"))
        assert as_json["id"] == json.loads(run("show", schedule, "--json"))["id"] == schedule
        for text in ("2026-01-05 06:30", str(report), "waiting", "the store was away", "no such store"):
            assert text in shown
        run("delete", schedule)
        assert schedule not in run("list")
        refused = services.run("schedules", "create", "x", "--cron", "0 25 * * *", "--zone", "UTC")
        assert refused.returncode == 2
        assert "Bad hour" in refused.stderr
        assert services.run("schedules", "show", schedule).returncode == 1
