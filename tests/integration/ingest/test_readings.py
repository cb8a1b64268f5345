"""Values with more than one meaning: rejected with the option that reads them, and read with that option."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.local_stack import eventually
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.database import check_ledger, observations
from tests.integration.ingest.service import ended, ingest_service, problem
from tests.integration.ingest.test_watch import watching

AT_9 = "2024-10-14 09:00:00.000000"
LOOSE, EXACT = "store_id,status,timestamp", "store_id,status,timestamp_utc"


@dataclass(frozen=True)
class Outcome:
    """What was printed or answered, and the newest import as the database has it."""

    text: str
    state: str
    quality: Mapping[str, Any]
    reading: Mapping[str, Any] | None


Load = Callable[..., Outcome]


@pytest.fixture(params=["command", "http"])
def load(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Load]:
    """Load the lines with options, as the command names them, and return the outcome."""

    def newest(text: str) -> Outcome:
        with psycopg.connect(database_url) as conn:
            rows = conn.execute("select state, quality, reading from import order by started_at desc limit 1")
            ((state, quality, reading),) = rows.fetchall()
        check_ledger(database_url)
        return Outcome(text, state, quality or {}, reading)

    if request.param == "command":
        path = tmp_path / "file.csv"

        def by_command(lines: Sequence[str], **options: str) -> Outcome:
            path.write_text("\n".join(lines) + "\n")
            given = [
                part
                for name, value in options.items()
                for part in ([f"--{name.replace('_', '-')}", value] if value != "true" else ["--assume-utc"])
            ]
            return newest(run_ingest(database_url, str(path), *given).stderr.decode())

        yield by_command
    else:
        with ingest_service(database_url, tmp_path / "spool") as client:

            def by_http(lines: Sequence[str], **options: str) -> Outcome:
                content = ("\n".join(lines) + "\n").encode()
                return newest(str(ended(client, client.post("/v1/imports", content=content, params=options))))

            yield by_http


def rows(*values: str, status: str = "active") -> list[str]:
    return [f"a{number},{status},{value}" for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "date_format"),
    [
        (["10/14/2024 9:00"], "%m/%d/%Y %H:%M"),
        (["14.10.2024 09:00"], "%d.%m.%Y %H:%M"),
        (["2024/10/14 09:00"], "%Y/%m/%d %H:%M"),
        (["Oct 14 2024 9:00AM"], "%b %d %Y %I:%M%p"),
        (["14-Oct-24 09:00"], "%d-%b-%y %H:%M"),
    ],
)
def test_local_dates_are_refused_with_the_format_that_reads_them(
    load: Load, database_url: str, values: list[str], date_format: str
) -> None:
    refused = load([EXACT, *rows(*values)])
    assert (refused.state, observations(database_url)) == ("failed", {})
    assert f"--date-format '{date_format}'" in refused.text.replace('\\"', '"').replace("\\'", "'")
    read = load([EXACT, *rows(*values)], date_format=date_format)
    assert read.state == "succeeded", read
    assert observations(database_url) == {("a0", AT_9): True}
    assert (read.quality["assumed_utc"], read.reading) == (1, {"date_format": date_format})
    assert f"timestamps were read by the format '{date_format}'" in read.quality["notes"]


def test_a_few_local_dates_are_rejected_and_the_format_is_offered(load: Load, database_url: str) -> None:
    lines = [LOOSE, *rows(*["2024-10-14 09:00:00Z"] * 3, "10/14/2024 9:00"), "c,active,2024-10-14 09:00:00Z"]
    some = load(lines)
    assert (some.state, some.quality["rejects"]) == ("succeeded", {"timestamp": 1})
    (note,) = some.quality["notes"]
    assert "--date-format '%m/%d/%Y %H:%M', and with --assume-utc if they are UTC" in note
    assert len(observations(database_url)) == 4


def test_two_readings_are_both_offered(load: Load) -> None:
    text = load([EXACT, *rows("10/11/2024 9:00", "01/02/2024 10:00")]).text
    assert "%m/%d/%Y %H:%M" in text
    assert "%d/%m/%Y %H:%M" in text
    assert "No value tells" in text


def test_a_date_format_needs_a_zone(load: Load, database_url: str) -> None:
    local = [LOOSE, *rows("10/14/2024 9:00")]
    refused = load(local, date_format="%m/%d/%Y %H:%M")
    assert refused.state == "failed"
    assert "--assume-utc" in refused.text
    assert load(local, date_format="%m/%d/%Y %H:%M", assume_utc="true").quality["assumed_utc"] == 1
    zoned = load([LOOSE, *rows("14/10/2024 11:00 +02:00")], date_format="%d/%m/%Y %H:%M %z")
    assert "assumed_utc" not in zoned.quality
    assert observations(database_url) == {("a0", AT_9): True}


@pytest.mark.parametrize(
    "value",
    [
        "2024-10-14 09:00:00",
        "2024-10-14T09:00:00",
        "2024-10-14 09:00",
        "2024-10-14t09:00:00.000000",
        " 2024-10-14 09:00:00.0 ",
        "2024-10-14 09:00:00.00000000",
    ],
)
def test_values_without_a_zone(load: Load, database_url: str, value: str) -> None:
    """Read as UTC where the column or the sender says so; counted and printed. A value with a zone is not counted."""
    refused = load([LOOSE, *rows(value)])
    assert refused.state == "failed"
    assert "--assume-utc" in refused.text
    named = load([EXACT, *rows(value, "2024-10-14 11:00:00+02:00", "2024-10-14 09:00:00 UTC")])
    assert named.quality["assumed_utc"] == 1
    told = load([LOOSE, *rows(value)], assume_utc="true")
    assert (told.quality["assumed_utc"], told.reading) == (1, {"assume_utc": True})
    assert observations(database_url) == {(f"a{row}", AT_9): True for row in range(3)}


def test_the_command_prints_how_many_were_read_as_utc(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "polls.csv"
    path.write_text("\n".join([EXACT, *rows("2024-10-14 09:00:00", "2024-10-14 09:00:00Z")]))
    printed = run_ingest(database_url, str(path)).stderr.decode()
    assert "timestamps without a time zone, read as UTC: 1" in printed


@pytest.mark.parametrize(
    ("active", "inactive"),
    [
        ("online", "offline"),
        ("open", "closed"),
        ("1", "0"),
        ("true", "false"),
        ("up", "down"),
        ("OK", "Error"),
        ("Verfügbar", "gestört"),
        ("temporarily available", "not available"),
    ],
)
def test_statuses(load: Load, database_url: str, active: str, inactive: str) -> None:
    lines = [EXACT, f"a,{active},2024-10-14 09:00:00Z", f"b, {inactive.upper()} ,2024-10-14 09:00:00Z"]
    refused = load(lines)
    assert refused.state == "failed"
    assert "--status" in refused.text
    read = load(lines, status=f"{active}=active,{inactive}=inactive")
    assert read.state == "succeeded", read
    assert observations(database_url) == {("a", AT_9): True, ("b", AT_9): False}
    assert any("statuses were read by the mapping" in note for note in read.quality["notes"])


def test_the_same_bytes_with_another_mapping_are_loaded_again(load: Load, database_url: str) -> None:
    lines = [EXACT, *rows("2024-10-14 09:00:00Z", status="1")]
    load(lines, status="1=active")
    assert observations(database_url) == {("a0", AT_9): True}
    load(lines, status="1=inactive")
    assert observations(database_url) == {("a0", AT_9): False}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"status": "online=up"}, "status"),
        ({"status": "a=active,A=inactive"}, "status"),
        ({"status": "active=inactive"}, "status"),
        ({"date_format": "%m/%d"}, "date_format"),
        ({"date_format": "%Q"}, "date_format"),
        ({"date_format": "%m/%d/%Y %H:%M\0"}, "date_format"),
    ],
)
def test_what_is_not_valid_is_refused_before_anything_is_read(
    database_url: str, tmp_path: Path, options: Mapping[str, str], field: str
) -> None:
    path = tmp_path / "polls.csv"
    path.write_text(f"{EXACT}\n")
    if "\0" not in options[field]:
        ran = run_ingest(database_url, str(path), f"--{field.replace('_', '-')}", options[field])
        assert (ran.returncode, b"invalid" in ran.stderr) == (2, True)
    with ingest_service(database_url, tmp_path / "spool") as client:
        answer = client.post("/v1/imports", content=b"x", params=options)
        assert problem(answer, 422, "invalid_request")["field"] == f"query.{field}"
        form = client.post("/v1/imports", data=options, files={"file": ("a.csv", b"x")})
        assert problem(form, 422, "invalid_request")["field"] == f"body.{field}"
        assert client.get("/v1/imports").json()["imports"] == []


def test_a_form_says_how_its_files_are_read(database_url: str, tmp_path: Path) -> None:
    files = [
        ("file", (f"{name}.csv", "\n".join([LOOSE, f"{name},on,10/14/2024 9:00", ""]).encode()))
        for name in "ab"
    ]
    options = {"status": "on=active", "date_format": "%m/%d/%Y %H:%M", "assume_utc": "true"}
    with ingest_service(database_url, tmp_path / "spool") as client:
        shown = ended(client, client.post("/v1/imports", data=options, files=files))
        assert shown["state"] == "succeeded", shown
        assert shown["reading"] == {**options, "assume_utc": True}
        assert shown["quality"]["assumed_utc"] == 2
        assert len(shown["quality"]["notes"]) == 4
        assert observations(database_url) == {("a", AT_9): True, ("b", AT_9): True}
        for bad in (
            {"assume_utc": "maybe"},
            {"effective_from": "March"},
            {"other": "x"},
            {"status": "x" * 1001},
        ):
            answer = client.post("/v1/imports", data=bad, files=files)
            assert answer.status_code == 422, answer.text
        twice = client.post("/v1/imports", data=options, files=files, params={"status": "on=active"})
        assert "both as a parameter and in the form" in problem(twice, 422, "invalid_request")["detail"]


def test_the_stored_mapping(database_url: str, tmp_path: Path) -> None:
    """It holds for live polls and uploads, and a parameter replaces it."""
    words = "online=active,offline=inactive"
    lines = "\n".join([EXACT, *rows("2024-10-14 09:00:00Z", status="Offline")]).encode()
    with ingest_service(database_url, tmp_path / "spool", status_words=words) as client:
        assert client.get("/readyz").json()["status_words"] == "offline=inactive,online=active"
        poll = {"store_id": "live", "status": " ONLINE ", "observed_at": "2024-10-14T09:00:00Z"}
        assert client.post("/v1/observations", json={"observations": [poll]}).json()["accepted"] == 1
        unknown = client.post("/v1/observations", json={"observations": [poll | {"status": "busy"}]})
        assert "UPTILL_STATUS_WORDS" in unknown.text
        assert ended(client, client.post("/v1/imports", content=lines))["counts"]["accepted"] == 1
        replaced = ended(client, client.post("/v1/imports", content=lines, params={"status": "x=active"}))
        assert replaced["state"] == "failed"
    assert observations(database_url) == {("live", AT_9): True, ("a0", AT_9): False}


def test_the_watcher_reads_as_it_was_told(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "a.csv").write_text(f"{EXACT}\na,online,2024-10-14 09:00:00\n")
    env = {"UPTILL_STATUS_WORDS": "online=active"}
    with watching(database_url, str(folder), tmp_path / "log", env) as watcher:
        eventually(lambda: watcher.imported() == ["a.csv"])
        notes = [str(line["note"]) for line in watcher.events("import_note")]
    assert observations(database_url) == {("a", AT_9): True}
    assert "statuses were read by the mapping online=active" in notes
    assert "timestamps without a time zone, read as UTC: 1" in notes


def test_zones(load: Load, database_url: str) -> None:
    zones = [
        "EST",
        "EST",
        "Etc/GMT+5",
        "Eastern Standard Time",
        "america/new york",
        "UTC",
        "localtime",
        "posix/UTC",
    ]
    lines = [
        "store_id,timezone_str",
        *(f"{store},{zone}" for store, zone in enumerate(zones)),
        "1,Asia/Tokyo",
    ]
    outcome = load(lines)
    assert outcome.quality["rejects"] == {"timezone_of_machine": 2}
    assert outcome.quality["zones_fixed"] == 2
    assert outcome.quality["zones_fixed_list"] == [
        {"store_id": "0", "timezone": "EST"},
        {"store_id": "2", "timezone": "Etc/GMT+5"},
    ]
    notes = " ".join(outcome.quality["notes"])
    assert "'Eastern Standard Time' is read as America/New_York" in notes
    assert "1 store is in EST: EST is always 5 hours behind UTC" in notes
    with psycopg.connect(database_url) as conn:
        stored = conn.execute("select timezone from store order by store_id").fetchall()
    expected = ["EST", "Asia/Tokyo", "Etc/GMT+5", "America/New_York", "America/New_York", "UTC"]
    assert stored == [(zone,) for zone in expected]


DAYS = "store_id,day_of_week,start_time_local,end_time_local"


@pytest.mark.parametrize(
    "days",
    [
        "0 7",
        "0 1 2 3 4 5 6 7",
        "Mon 1",
        "1 2 3 4 5 6 Sunday",
        "0 Tue",
        "7 tuesday",
        "0 tuesday Dienstag",
        "mon 1 8",
    ],
)
def test_days_that_mix_conventions(load: Load, database_url: str, days: str) -> None:
    lines = [DAYS, *(f"{place},{day},09:00,17:00" for place, day in enumerate(days.split()))]
    refused = load(lines)
    assert refused.state == "failed"
    assert "number the days 0 (Monday) to 6 (Sunday), or write their names" in refused.text
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from business_hours").fetchone() == (0,)


@pytest.mark.parametrize("day", ["Montag", "lundi", "Lunes", "Mo", "Di", "Lu", "月曜日", "Понедельник"])
def test_days_in_other_languages_are_rejected(load: Load, day: str) -> None:
    outcome = load([DAYS, f"a,{day},09:00,17:00", "b,Mon,09:00,17:00"])
    assert outcome.quality["rejects"] == {"day": 1}
    assert outcome.quality["stores_unchanged"] == 1


@pytest.mark.parametrize(("days", "warned"), [("1 2 3 4 5", True), ("1 2 3 4 5 6", True), ("1 2", False)])
def test_days_that_do_not_tell_where_they_start(load: Load, days: str, warned: bool) -> None:
    outcome = load([DAYS, *(f"a,{day},09:00,17:00" for day in days.split())])
    assert outcome.state == "succeeded"
    assert any("1 is read as Tuesday" in note for note in outcome.quality.get("notes", ())) is warned
