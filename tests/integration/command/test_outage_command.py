"""`uptill outages`, the client's calls, and the file of outages next to a report."""

import csv
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fixtures.services import Services
from uptill_client import ApiError, Poll, StoreOutage, UptillClient
from uptill_client import outages as client_outages

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
POLLS = [
    Poll(store_id, (n + len(store_id)) % 4 > 1, NOW - timedelta(minutes=25 * n))
    for store_id in ("0042", "a/b", "west")
    for n in range(250)
]


@pytest.fixture(autouse=True)
def _polls(client: UptillClient) -> None:
    client.send_polls(POLLS)
    client.set_labels("a/b", {"region": "north"})


def test_the_calls_of_the_client(client: UptillClient, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = list(client.outages())
    monkeypatch.setattr(client_outages, "PAGE", 4)
    assert list(client.outages()) == everything, "several pages"
    assert {outage.store_id for outage in everything} == {"0042", "a/b", "west"}
    north = list(client.outages(labels={"region": "north"}))
    assert north == list(client.outages(store_ids=["a/b"])) == list(client.store_outages("a/b"))
    assert north == [outage for outage in everything if outage.store_id == "a/b"]
    ended = list(
        client.store_outages("a/b", ongoing=False, sort="length", min_length="PT40M", window="PT12H")
    )
    assert all(isinstance(outage, StoreOutage) and outage.ended_at for outage in ended)
    between = client.store_outages("a/b", begin=NOW - timedelta(hours=12), end=NOW, as_of=NOW)
    assert list(between) == list(client.store_outages("a/b", window="PT12H"))
    (page, *_) = client.outage_pages(store_ids=["a/b"])
    assert (page.as_of, page.policy, page.failed_stores) == (NOW, "classic", [])
    with pytest.raises(ApiError, match="nobody"):
        list(client.store_outages("nobody"))


def test_the_command(services: Services, client: UptillClient) -> None:
    def run(*arguments: str) -> str:
        done = services.run("outages", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = next(client.store_outages("0042"))
    assert (first.end, first.last_down_poll_at) == ("ongoing", NOW)
    assert first.last_down_poll_at is not None
    shown = run("--store", "0042", "--limit", "1").splitlines()
    assert len(shown) == 2
    # 2024-10-14 18:00 UTC is 13:00 in Chicago.
    assert shown[1].split()[:4] == [
        "0042",
        "Mon",
        "2024-10-14",
        f"{first.started_at - timedelta(hours=5):%H:%M}",
    ]
    assert f"after {first.last_down_poll_at - timedelta(hours=5):%H:%M:%S}" in shown[1]
    in_json = json.loads(run("--label", "region=north", "--json", "--limit", "500"))
    assert len(in_json) == len(list(client.store_outages("a/b")))
    assert set(in_json[0]) == set(StoreOutage.__dataclass_fields__)
    assert run("--window", "PT6H", "--sort", "length", "--ended", "--reason", "late_opening").count("\n") == 1
    assert run("--from", "2024-10-14T06:00Z", "--to", "2024-10-14T07:00-05:00").count("\n") > 1
    refused = services.run("outages", "--from", "2024-10-14T06:00", "--to", "2024-10-14T07:00-05:00")
    assert (refused.returncode, "write 2024-10-14T06:00Z" in " ".join(refused.stderr.split())) == (2, True)
    refused = services.run("outages", "--window", "P1M")
    assert (refused.returncode, "'P1M' is not a window" in " ".join(refused.stderr.split())) == (2, True)
    refused = services.run("outages", "--from", "yesterday")
    assert (refused.returncode, "invalid time 'yesterday'" in " ".join(refused.stderr.split())) == (2, True)


def test_times_have_offsets_in_a_night_when_clocks_go_back(services: Services, client: UptillClient) -> None:
    """In Chicago, clocks show 01:00 to 02:00 twice on 3 November 2024: from 06:00 to 08:00 UTC."""
    night = datetime(2024, 11, 3, 4, tzinfo=UTC)
    client.set_timezone("night", "America/Chicago", create=True)
    client.send_polls(
        Poll("night", n not in (4, 5, 8, 9), night + timedelta(minutes=30 * n)) for n in range(16)
    )
    arguments = ("--from", "2024-11-03T04:00Z", "--to", "2024-11-03T11:30Z")
    done = services.run("outages", "--store", "night", *arguments)
    assert done.returncode == 0, done.stderr
    rows = [
        re.split(" {2,}", line)[1:3] + re.split(" {2,}", line)[6:] for line in done.stdout.splitlines()[1:]
    ]
    assert rows == [
        [
            *("Sun 2024-11-03 01:45-06:00", "02:45-06:00"),
            *("01:30:00-06:00 and 02:00:00-06:00", "02:30:00-06:00 and 03:00:00-06:00"),
        ],
        [
            *("Sun 2024-11-03 00:45-05:00", "01:45-05:00"),
            *("00:30:00-05:00 and 01:00:00-05:00", "01:30:00-05:00 and 01:00:00-06:00"),
        ],
    ]
    timeline = services.run(
        *("stores", "timeline", "night", "--from", "2024-11-02T23:00-05:00", "--to", "2024-11-03T05:30-06:00")
    )
    assert timeline.returncode == 0, timeline.stderr
    lines = timeline.stdout.splitlines()
    assert "Sun 2024-11-03 UTC-05:00" in lines
    assert "Sun 2024-11-03 UTC-06:00" in lines
    (across,) = [line.split() for line in lines if "poll at 01:00:00-06:00;" in line]
    assert across[:2] == ["01:45:00", "01:15:00-06:00"]


def test_the_file_next_to_a_report(services: Services, client: UptillClient, tmp_path: Path) -> None:
    out = tmp_path / "week.csv"
    done = services.run("report", "--window", "last_week", "--files", "outages", "-o", str(out))
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "week-outages.csv").read_text().splitlines()))
    assert len(rows) == len(list(client.outages(window="last_week")))
    assert f"{len(rows)} outages" in " ".join(done.stderr.split())
    (report,) = client.reports()
    assert report.requested_files == ["report", "outages"]
    again = services.run("reports", "download", report.id, "-o", str(tmp_path / "again.csv"))
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again-outages.csv").read_bytes() == (tmp_path / "week-outages.csv").read_bytes()
    assert (tmp_path / "again.csv").read_bytes() == out.read_bytes()
    file = client.get_report(report.id).file("csv", "outages")
    assert (file.name, file.rows) == ("outages.csv", len(rows))
    with pytest.raises(LookupError, match=r"has no file outages\.json"):
        client.get_report(report.id).file("json", "outages")
    refused = services.run("report", "--files", "outages")
    assert refused.returncode == 2
    assert "several files need -o" in " ".join(refused.stderr.split())
    made = services.run(
        "schedules", "create", "x", "--cron", "0 6 * * *", "--zone", "UTC", "--files", "outages"
    )
    assert made.returncode == 0, made.stderr
    schedule = client.get_schedule(made.stdout.strip())
    assert schedule.report is not None
    assert schedule.report["files"] == ["report", "outages"]


def test_the_summary_next_to_a_report(services: Services, client: UptillClient, tmp_path: Path) -> None:
    out = tmp_path / "week.csv"
    done = services.run("report", "--window", "last_week", "--files", "summary", "-o", str(out))
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "week-summary.csv").read_text().splitlines()))
    assert f"{len(rows)} rows" in " ".join(done.stderr.split())
    (report,) = client.reports()
    file = client.get_report(report.id).file("csv", "summary")
    assert (file.name, file.kind, file.rows) == ("summary.csv", "summary", len(rows))
