"""`uptill reasons` against the real ingest service, and an event in `uptill explain`."""

import json
from pathlib import Path

from tests.fixtures.services import Services


def run(services: Services, *arguments: str) -> str:
    done = services.run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_words_are_listed_added_and_removed(services: Services) -> None:
    assert "paused_by_store" in run(services, "reasons", "list")
    run(services, "reasons", "add", "oven_broken", "The oven is broken.")
    found = {one["word"]: one for one in json.loads(run(services, "reasons", "list", "--json"))}
    assert found["oven_broken"]["description"] == "The oven is broken."
    assert [found[word]["is_builtin"] for word in ("busy", "oven_broken")] == [True, False]
    run(services, "reasons", "remove", "oven_broken")
    assert "oven_broken" not in run(services, "reasons", "list")
    assert services.run("reasons", "add", "Oven broken").returncode != 0


def test_explain_names_the_event_and_its_reason(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "polls.csv"
    file.write_text(
        "store_id,status,timestamp_utc,reason,event,until\n"
        "e,active,2024-10-14 17:30:00 UTC,,,\n"
        "e,inactive,2024-10-14 18:20:15 UTC,paused_by_store,yes,2024-10-14 18:50:00 UTC\n"
        "e,active,2024-10-14 19:30:00 UTC,,,\n"
    )
    run(services, "upload", str(file))
    made = run(services, "report", "--as-of", "2024-10-14T19:30:00Z", "--store", "e")
    assert made.splitlines()[1].startswith("e,")
    report_id = json.loads(run(services, "reports", "list", "--json"))[0]["id"]
    shown = run(services, "explain", report_id, "e", "--window", "last_day")
    assert "inactive event at 13:20:15 (paused_by_store)" in shown
    assert "begins at an event, ends at an event" in shown


def test_reports_outages_and_timelines_without_the_time_of_a_reason(
    services: Services, tmp_path: Path
) -> None:
    file = tmp_path / "polls.csv"
    file.write_text(
        "store_id,status,timestamp_utc,reason,event\n"
        "x,active,2024-10-15 10:00:00 UTC,,\n"
        "x,inactive,2024-10-15 11:00:00 UTC,paused_by_store,yes\n"
        "x,inactive,2024-10-15 12:00:00 UTC,busy,yes\n"
        "x,active,2024-10-15 12:30:00 UTC,,yes\n"
    )
    run(services, "upload", str(file))
    asked = ("--as-of", "2024-10-15T14:00:00Z", "--window", "PT4H", "--store", "x")
    target = tmp_path / "report.csv"
    without = ("--exclude-reason", "paused_by_store")
    run(services, "report", *asked, *without, "--files", "reasons", "-o", str(target))
    assert target.read_text().splitlines()[1] == "x,2.5000,0.5000"
    assert (tmp_path / "report-reasons.csv").read_text().splitlines() == [
        "store_id,window,reason,down_s,outages",
        "x,last_4h,busy,1800.000000,1",
    ]
    report_id = json.loads(run(services, "reports", "list", "--json"))[0]["id"]
    assert "paused_by_store" in run(services, "reports", "show", report_id)
    explained = run(services, "explain", report_id, "x")
    assert "inactive event at 06:00:00 (paused_by_store)" in explained
    assert "excluded" in explained
    listed = run(services, "outages", *asked)
    assert listed.splitlines()[0].endswith("reasons")
    assert "paused_by_store busy" in listed
    assert "paused_by_store" not in run(services, "outages", *asked, *without)
    assert run(services, "outages", *asked, "--reason", "technical").count("\n") == 1
    shown = run(
        services, "stores", "timeline", "x", "--as-of", "2024-10-15T14:00+00:00", "--window", "PT4H", *without
    )
    assert "poll at 06:00:00 (paused_by_store)" in shown
    assert "excluded 1:00:00" in shown
    refused = services.run("report", *asked, "--exclude-reason", "oven")
    assert refused.returncode != 0
    assert "unknown reason 'oven': `uptill reasons list`" in refused.stderr
