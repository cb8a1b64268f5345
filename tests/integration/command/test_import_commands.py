"""`uptill upload`, `imports` and `rejects`: from the file to the rejected row and what to write instead."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.ids import new_id
from shared.row_reasons import ROW_REASONS
from tests.fixtures.services import Services, wait_until
from tests.integration.ingest.command import run_ingest
from uptill_client import UptillClient

ZONES = "store_id,timezone_str\n0042,America/Denver\n0043,Europe/Berlin\n"
POLLS = "store_id,status,timestamp_utc\n" + "".join(
    f"0042,{'active' if n % 9 else 'odd'},2024-10-14 {n // 60:02}:{n % 60:02}:00 UTC\n" for n in range(90)
)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "zones.csv").write_text(ZONES)
    (tmp_path / "polls ü.csv").write_text(POLLS)
    return [str(tmp_path / name) for name in ("zones.csv", "polls ü.csv")]


def test_an_upload_prints_what_a_load_prints(services_without_worker: Services, files: list[str]) -> None:
    services = services_without_worker
    sent = services.run("upload", *files)
    assert sent.returncode == 0, sent.stderr
    shown = [line.split() for line in sent.stdout.splitlines()]
    assert ["polls", "ü.csv", "polls", "80", "0", "0", "10"] in [line[:7] for line in shown]
    assert ["zones.csv", "timezones", "2", "0", "0", "0"] in [line[:6] for line in shown]
    assert "data quality" in sent.stdout
    assert "newest poll" in sent.stdout
    assert sent.stderr.count("polls ü.csv line ") == 5
    assert "and 5 more rejected rows: `uptill rejects " in sent.stderr
    assert ROW_REASONS["status"] in sent.stderr
    # Its first file alone, and under the address of an option.
    again = services.run(
        "upload", files[0], "--url", services.settings["UPTILL_INGEST_URL"], UPTILL_INGEST_URL=""
    )
    assert again.returncode == 0, again.stderr
    assert "skipped: the same bytes were loaded on" in again.stderr
    newest = services.run("imports", "list").stdout.splitlines()[1].split()
    assert newest[1:3] == ["succeeded", "(skipped)"]
    none = services.run("rejects", newest[0])
    assert (none.returncode, none.stdout) == (0, "")
    assert "skipped, because the same bytes were loaded before: `uptill rejects " in none.stderr


def test_the_rows_that_hold_a_store_back_are_shown_first(
    services_without_worker: Services, tmp_path: Path
) -> None:
    file = tmp_path / "hours.csv"
    rows = [f"0042,{day},09:00,10:00" for day in (0, 1, 2, 3, 4, 9)]
    file.write_text("\n".join(["store_id,day_of_week,start_time_local,end_time_local", *rows, ""]))
    for more in (["--dry-run"], []):
        told = services_without_worker.run("upload", str(file), *more).stderr
        shown = [line.split()[2:4] for line in told.splitlines() if line.startswith("hours.csv line ")]
        assert shown[:2] == [["7:", "day:"], ["2:", "store_incomplete:"]]
        assert re.search(r"and 1 more rejected row(:|$)", told, re.MULTILINE)


def test_a_dry_run_says_of_a_skipped_file_what_a_load_says(
    services_without_worker: Services, files: list[str]
) -> None:
    services = services_without_worker
    for file in files:
        services.run("upload", file)
    again, planned = (
        "".join(services.run("upload", file, *more).stderr for file in files) for more in ([], ["--dry-run"])
    )
    assert "skipped: the same bytes were loaded on 2" in again
    assert "; 10 rows were rejected then: `uptill rejects " in again
    assert planned == again


def test_what_an_upload_cannot_read_or_does_not_apply(
    services_without_worker: Services, tmp_path: Path
) -> None:
    services = services_without_worker
    missing = services.run("upload", str(tmp_path / "missing.csv"))
    assert (missing.returncode, "No such file" in missing.stderr) == (1, True)
    header = "store_id,day_of_week,start_time_local,end_time_local\n"
    (tmp_path / "am.csv").write_text(f"{header}0042,0,08:00,12:00\n")
    (tmp_path / "pm.csv").write_text("shop,day\n")
    files = [str(tmp_path / "am.csv"), str(tmp_path / "pm.csv")]
    assert "NOT APPLIED: am.csv, because pm.csv" in services.run("upload", "--dry-run", *files).stderr
    held = services.run("upload", *files)
    assert held.returncode == 1
    assert "NOT APPLIED: am.csv, because pm.csv of the same delivery was not loaded" in held.stderr
    shown = services.run("imports", "list")
    assert shown.stdout.split()[:5] == ["id", "state", "accepted", "corrected", "rejected"]
    assert "failed" in shown.stdout
    import_id = next(line.split()[0] for line in shown.stdout.splitlines() if "failed" in line)
    assert "pm.csv of the same delivery was not loaded" in services.run("imports", "show", import_id).stdout
    both = services.run("rejects", import_id, "--csv", "--json")
    assert (both.returncode, "--csv and --json exclude each other" in both.stderr) == (2, True)


def test_an_address_of_the_other_service_is_named(services_without_worker: Services) -> None:
    services = services_without_worker
    wrong = services.run("imports", "list", UPTILL_INGEST_URL=services.settings["UPTILL_API_URL"])
    assert wrong.returncode == 1
    assert "UPTILL_INGEST_URL that of the ingest service" in wrong.stderr


def test_a_dry_run_prints_what_would_change(
    services_without_worker: Services, database_url: str, files: list[str]
) -> None:
    services = services_without_worker
    planned = services.run("upload", *files, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    told = planned.stdout.splitlines()
    assert told[0] == "dry run: nothing was changed. A load would do this:"
    assert ["zones.csv", "timezones", "2", "0", "0", "0"] in [line.split()[:6] for line in told]
    assert "polls ü.csv: 1 store (1 new: 0042), dates 2024-10-14 to 2024-10-14" in told
    assert "and 5 more rejected rows\n" in planned.stderr
    same = run_ingest(database_url, *files, "--dry-run")
    assert same.returncode == 0, same.stderr
    assert same.stdout.decode().splitlines()[0] == told[0]
    assert told[-1] in same.stdout.decode()
    assert run_ingest(database_url, "-", "--dry-run").returncode == 2
    assert json.loads(services.run("imports", "list", "--json").stdout) == []


def test_an_upload_says_how_values_are_read(services_without_worker: Services, tmp_path: Path) -> None:
    services = services_without_worker
    file = tmp_path / "export.csv"
    file.write_text("store_id,status,timestamp\n0042,up,10/14/2024 9:00\n0042,down,10/14/2024 10:00\n")
    refused = services.run("upload", str(file))
    assert refused.returncode == 1
    assert "--status" in refused.stderr
    done = services.run(
        *("upload", str(file), "--status", "up=active,down=inactive"),
        *("--date-format", "%m/%d/%Y %H:%M", "--assume-utc"),
    )
    assert done.returncode == 0, done.stderr
    assert ["export.csv", "polls", "2", "0"] in [line.split()[:4] for line in done.stdout.splitlines()]
    wrong = services.run("upload", str(file), "--date-format", "%Q")
    assert wrong.returncode == 2
    assert "invalid date format" in wrong.stderr


def test_imports_and_rejected_rows(
    services_without_worker: Services, database_url: str, files: list[str]
) -> None:
    services = services_without_worker
    run_ingest(database_url, *files)
    listed = services.run("imports", "list").stdout
    assert listed.count("succeeded") == 2
    newest, first = json.loads(services.run("imports", "list", "--json").stdout)
    assert (first["kind"], newest["kind"], newest["counts"]["rejected"]) == ("timezones", "polls", 10)
    shown = services.run("imports", "show", newest["id"]).stdout
    warned = "The status is written as 'odd'"
    for words in (
        "90 counted: 80 accepted",
        "10 rejected",
        f"`uptill rejects {newest['id']}`",
        "newest poll",
        warned,
    ):
        assert words in shown
    assert json.loads(services.run("imports", "show", newest["id"], "--json").stdout)["id"] == newest["id"]

    rejects = services.run("rejects", newest["id"], "--limit", "3")
    lines = rejects.stdout.splitlines()
    assert lines[1].split()[:2] == ["2", "status"]
    assert "0042,odd,2024-10-14 00:00:00 UTC" in lines[1]
    assert ROW_REASONS["status"] in rejects.stdout
    assert f"and 7 more: `uptill rejects {newest['id']} --csv` prints all" in rejects.stderr
    rows = json.loads(services.run("rejects", newest["id"], "--json").stdout)
    assert len(rows) == 10
    assert rows[0] == {
        "line": 2,
        "byte_offset": 30,
        "reason": "status",
        "raw": "0042,odd,2024-10-14 00:00:00 UTC",
        "source": newest["source"],
        "meaning": ROW_REASONS["status"],
    }
    as_csv = services.run("rejects", newest["id"], "--csv").stdout
    assert as_csv.startswith("line,byte_offset,reason,raw,source\n2,30,status,")
    assert as_csv.count("\n") == 11
    assert services.run("rejects", first["id"]).stdout.split() == ["line", "reason", "text"]
    for command in (("rejects",), ("imports", "show"), ("imports", "cancel")):
        missing = services.run(*command, str(new_id()))
        assert missing.returncode == 1
        assert "there is no import" in missing.stderr
    assert services.run("imports", "cancel", first["id"]).returncode == 1


def test_ctrl_c_of_an_upload_says_that_it_continues(
    services_without_worker: Services, database_url: str, tmp_path: Path
) -> None:
    import psycopg  # noqa: PLC0415

    (tmp_path / "zones.csv").write_text(ZONES)
    settings = services_without_worker.settings
    with psycopg.connect(database_url, autocommit=True) as conn:
        # The importer waits for its turn.
        conn.execute("select pg_advisory_lock(hashtextextended('uptill.ingest', 0))")
        command = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "upload", str(tmp_path / "zones.csv")],
            env={**os.environ, **settings},
            stderr=subprocess.PIPE,
            text=True,
        )
        with UptillClient(
            settings["UPTILL_API_URL"], settings["UPTILL_API_KEY"], ingest_url=settings["UPTILL_INGEST_URL"]
        ) as client:
            wait_until(lambda: list(client.imports()), "the import")
            (one,) = client.imports()
            command.send_signal(signal.SIGINT)
            said = " ".join(command.communicate()[1].split())
            assert (command.returncode, f"Import {one.id} was received and continues" in said) == (130, True)
            conn.execute("select pg_advisory_unlock(hashtextextended('uptill.ingest', 0))")
            wait_until(lambda: client.get_import(one.id).state == "succeeded", "the import's end")
