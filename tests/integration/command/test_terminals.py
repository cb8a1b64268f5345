"""Output in terminals of 60, 80 and 100 columns and in pipes: whole ids, no line too wide, no log lines in it."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.fixtures.services import Services
from tests.fixtures.terminal import run_in_terminal
from tests.integration.ingest.command import run_ingest
from uptill_client import Poll, UptillClient

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
at_each_width = pytest.mark.parametrize("columns", [60, 80, 100])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "timezones-of-all-stores-in-the-north.csv").write_text(
        "store_id,timezone_str\n" + "".join(f"s{n},America/Denver\n" for n in range(2000))
    )
    (folder / "polls.csv").write_text(
        "store_id,status,timestamp_utc\ns1,active,2024-10-14 18:00:00 UTC\ns1,odd,2024-10-14 18:00:00 UTC\n"
    )
    return folder


@at_each_width
def test_tables_keep_ids_whole_and_lines_narrow(
    columns: int, services: Services, client: UptillClient, folder: Path
) -> None:
    env = {name: value for name, value in services.settings.items() if name != "COLUMNS"}
    client.send_polls(Poll("0042", n % 4 != 0, NOW - timedelta(minutes=55 * n)) for n in range(9))
    report = client.finished(client.create_report().id)
    run_ingest(env["UPTILL_DATABASE_URL"], str(folder))
    newest = next(client.imports())
    for arguments, whole in (
        (("reports", "list"), report.id),
        (("imports", "list"), newest.id),
        (("stores", "list"), "0042"),
    ):
        code, lines = run_in_terminal(columns, "services.cli", *arguments, env=env)
        assert code == 0
        assert any(line.startswith(whole) for line in lines), lines
        if arguments[0] == "imports":
            assert any("timezones-of-all-stores" in line for line in lines), lines
        assert max(map(cell_len, lines)) <= columns
    code, lines = run_in_terminal(columns, "services.cli", "doctor", env=env)
    assert code == 0
    assert max(map(cell_len, lines)) <= columns
    code, lines = run_in_terminal(
        columns, "services.cli", "doctor", env={**env, "UPTILL_REDIS_URL": "redis://127.0.0.1:1/0"}
    )
    assert code == 1
    assert max(map(cell_len, lines)) <= columns
    assert "UPTILL_REDIS_URL (127.0.0.1:1)" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_an_explanation_is_wrapped_and_in_a_pipe_it_is_not(
    columns: int, services: Services, client: UptillClient
) -> None:
    client.send_polls(Poll("0042", n not in (5, 6), NOW - timedelta(minutes=55 * n)) for n in range(26))
    client.declare_closure(
        store_id="0042",
        starts_at=NOW - timedelta(hours=12),
        ends_at=NOW - timedelta(hours=10),
        treatment="exclude",
        reason="force_majeure",
        note="The city closed the street, and nobody could reach the store before the evening.",
    )
    report = client.finished(client.create_report(windows=["last_day"]).id)
    env = {name: value for name, value in services.settings.items() if name != "COLUMNS"}
    code, lines = run_in_terminal(columns, "services.cli", "explain", report.id, "0042", env=env)
    assert code == 0, lines
    assert max(map(cell_len, lines)) <= columns, lines
    shown = " ".join(" ".join(lines).split())
    for text in (
        "excluded",
        "closure [c1]",
        "could reach the store before the evening.",
        "Mon 2024-10-14 UTC-05:00",
    ):
        assert text in shown
    done = services.run("explain", report.id, "0042")
    assert done.returncode == 0, done.stderr
    piped = done.stdout.splitlines()
    assert max(map(len, piped)) > 120
    (closed,) = [line.split() for line in piped if "  excluded  " in line]
    assert closed[:6] == ["01:00:00", "03:00:00", "2:00:00", "excluded", "closure", "[c1];"]


LONG = "north " * 43 + "42"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_tables_lose_no_column(columns: int, services: Services, client: UptillClient) -> None:
    """Whatever a wide terminal shows, a narrow one shows too. A pipe has one line per row, whatever COLUMNS says."""
    client.send_polls(
        Poll(name, n % 4 != 0, NOW - timedelta(minutes=55 * n)) for name in ("0042", LONG) for n in range(30)
    )
    note = "The city closed the street, and nobody could reach the store before the evening."
    closure = client.declare_closure(
        store_id=LONG,
        starts_at=NOW - timedelta(hours=9),
        ends_at=NOW,
        treatment="exclude",
        reason="force_majeure",
        note=note,
    )
    first = client.finished(client.create_report(windows=["last_day"]).id)
    client.withdraw_closure(str(closure.id))
    second = client.finished(client.revise_report(first.id).id)
    again = client.declare_closure(
        store_id="*",
        starts_at=NOW - timedelta(hours=9),
        ends_at=None,
        treatment="as_up",
        reason="platform",
        note=note,
    )
    env = {name: value for name, value in services.settings.items() if name != "COLUMNS"}
    for arguments, least in (
        (("outages", "--store", "0042"), 2),
        (("outages", "--store", LONG), 2),
        (("closures", "list"), 2),
        (("stores", "list"), 3),
        (("reports", "list"), 3),
        (("reports", "diff", first.id, second.id), 4),
        (("imports", "list"), 4),
    ):
        piped = services.run(*arguments, COLUMNS=str(columns), FORCE_COLOR="1")
        assert piped.returncode == 0, piped.stderr
        wide = services.run(*arguments, COLUMNS="1000")
        assert piped.stdout == wide.stdout
        assert len(piped.stdout.splitlines()) >= least
        code, lines = run_in_terminal(columns, "services.cli", *arguments, env=env)
        assert code == 0, lines
        shown = Counter("".join("".join(lines).split()))
        # Where rows are stacked, the first cell needs no title.
        rows = [line for line in piped.stdout.splitlines() if line.split(" ")[0] not in ("id", "store")]
        assert shown >= Counter("".join("".join(rows).split())), arguments
        assert max(cell_len(line) for line in lines if not line.startswith("north")) <= columns
    timeline = services.run("stores", "timeline", LONG, COLUMNS=str(columns))
    assert (
        f"[c1] as_up, platform, 2024-10-14 09:00 to no end, closure {again.id} of every store: {note}"
        in timeline.stdout
    )
    code, lines = run_in_terminal(columns, "services.cli", "stores", "timeline", LONG, env=env)
    assert code == 0
    assert max(map(cell_len, lines[1:-3])) <= columns
    shown = Counter("".join("".join(lines).split()))
    assert shown >= Counter("".join(timeline.stdout.split()))


@at_each_width
def test_a_load_fits_the_terminal(columns: int, env: dict[str, str], folder: Path) -> None:
    code, lines = run_in_terminal(columns, "services.ingest", str(folder), env=env)
    assert code == 0
    assert "data quality" in lines
    # Remarks about single rows and files follow. They have paths, and are not cut.
    tables = [line for line in lines if not line.startswith((str(folder), "warning: "))]
    assert max(map(cell_len, tables)) <= columns, tables
    shown = " ".join(" ".join(lines).split())
    assert "timezones-of-all-stores-in-the-north.csv" in shown
    assert "2,000" in shown
    assert not [line for line in lines if line.startswith("{")]


def test_in_a_pipe_lines_are_whole(env: dict[str, str], folder: Path) -> None:
    done = run_ingest(env["UPTILL_DATABASE_URL"], str(folder), env={"COLUMNS": "40"})
    lines = done.stdout.decode().splitlines()
    assert lines[0].split() == ["file", "kind", "accepted", "duplicate", "corrected", "rejected", "seconds"]
    assert lines[1].split()[:6] == [
        "timezones-of-all-stores-in-the-north.csv",
        "timezones",
        "2,000",
        "0",
        "0",
        "0",
    ]
    assert b"{" not in done.stdout + done.stderr


def test_json_is_one_document_whatever_is_logged(services: Services, client: UptillClient) -> None:
    client.send_polls([Poll("0042", True, NOW)])
    for arguments in (("reports", "list"), ("stores", "list"), ("imports", "list"), ("doctor",)):
        done = services.run("-v", *arguments, "--json", UPTILL_DATABSE_URL="x")
        json.loads(done.stdout)
        assert "UPTILL_DATABSE_URL is not a setting" in done.stderr
