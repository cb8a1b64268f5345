"""`uptill closures` against the real ingest service: every subcommand, and the calls of the client."""

import json
from datetime import UTC, datetime
from pathlib import Path

from services.local.ports import HOST, free_ports
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.services import Services, answers, wait_until
from uptill_client import SpecialDate, TimeRange, UptillClient

OPENED = datetime(2024, 5, 1, 15, tzinfo=UTC)


def restore_twice(services: Services, closure: str) -> None:
    """Restore a withdrawn closure, first as a dry run, and withdraw it again."""
    dry = services.run("closures", "restore", closure, "--dry-run")
    assert "without an end, exclude, force_majeure would hold again" in dry.stderr
    for command, is_withdrawn in (("restore", False), ("withdraw", True)):
        assert services.run("closures", command, closure).returncode == 0
        assert (closure in services.run("closures", "list", "--withdrawn").stdout) is is_withdrawn


def test_every_subcommand_and_call(env: dict[str, str], tmp_path: Path) -> None:
    load_fleet(
        env["UPTILL_DATABASE_URL"], {"a": Store(polls=[(datetime(2024, 10, 14, 18, tzinfo=UTC), True)])}
    )
    (port,) = free_ports(1)
    url = f"http://{HOST}:{port}"
    extra = {"UPTILL_INGEST_URL": url, "UPTILL_SPOOL_DIR": str(tmp_path / "spool"), "COLUMNS": "200"}
    with Services({**env, **extra}, tmp_path) as services:
        services.start("uvicorn", "--factory", "services.ingest.http.main:create_app", f"--port={port}")
        wait_until(lambda: answers(f"{url}/readyz"), "the ingest service")

        def run(*arguments: str) -> str:
            done = services.run("closures", *arguments)
            assert done.returncode == 0, done.stderr
            return done.stdout

        closure = run(
            *(
                "declare",
                "--store",
                "a",
                "--from",
                "2024-10-18T16:00-05:00",
                "--to",
                "2024-10-18T18:30-05:00",
            ),
            *("--treatment", "exclude", "--reason", "force_majeure", "--note", "The city closed the street."),
        ).strip()
        everywhere = run(
            "declare", "--store", "*", "--from", "2024-12-25T00:00Z", "--treatment", "as_up"
        ).strip()
        listed = run("list")
        for text in (closure, everywhere, "2024-10-18 21:00", "2024-10-18 23:30", "exclude", "force_majeure"):
            assert text in listed
        assert "changed" not in run("show", closure)
        for planned in (
            ("declare", "--store", "a", "--from", "2024-10-20T00:00Z", "--treatment", "as_up"),
            ("change", closure, "--to", "none"),
            ("withdraw", closure),
        ):
            dry = services.run("closures", *planned, "--dry-run")
            assert (dry.returncode, dry.stdout) == (0, ""), dry.stderr
            assert "dry run, nothing was changed: closure of a from 2024-10-" in dry.stderr
            assert run("list") == listed
        run("change", closure, "--to", "none", "--note", "It stays closed.")
        (as_json,) = json.loads(run("list", "--store", "a", "--json"))
        assert as_json["id"] == json.loads(run("show", closure, "--json"))["id"] == closure
        assert as_json["ends_at"] is None
        shown = run("show", closure)
        for text in ("It stays closed.", "2024-10-18T21:00:00Z", "declared", "changed"):
            assert text in shown
        run("withdraw", closure)
        assert closure not in run("list")
        assert f"withdrawn  20{datetime.now(UTC):%y}-" in run("show", closure)
        assert closure in run("list", "--withdrawn")
        restore_twice(services, closure)
        for wrong in (["--store", "a", "--label", "x=y"], []):
            refused = services.run(
                "closures", "declare", "--from", "2024-10-18", "--treatment", "ignore", *wrong
            )
            assert refused.returncode == 2
        refused = services.run(
            "closures", "declare", "--store", "a", "--from", "noon", "--treatment", "ignore"
        )
        assert refused.returncode == 2
        assert "2024-10-18T21:00Z" in refused.stderr

        key = services.settings["UPTILL_API_KEY"]
        with UptillClient(services.settings["UPTILL_API_URL"], key, ingest_url=url) as client:
            client.set_special_hours("a", [SpecialDate("2024-12-24", [TimeRange("10:00", "14:00")])])
            assert client.get_special_hours("a").dates == [
                SpecialDate("2024-12-24", [TimeRange("10:00:00", "14:00:00")])
            ]
            client.remove_special_hours("a", date="2024-12-24", dry_run=True)
            assert len(client.get_special_hours("a").dates) == 1
            client.remove_special_hours("a", date="2024-12-24")
            assert client.get_special_hours("a").dates == []
            client.set_lifetime("a", opened_at=OPENED, dry_run=True)
            client.set_labels("a", {"x": "y"}, dry_run=True)
            assert client.set_timezone("a", "UTC", dry_run=True).import_id is None
            assert client.get_lifetime("a").opened_at is None
            client.set_lifetime("a", opened_at=OPENED)
            assert client.get_lifetime("a").opened_at == OPENED
            assert client.set_hours("a", [], effective_from="2025-03-01").counts.accepted == 1
