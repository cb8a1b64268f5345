"""The quality report: every figure of small data sets, counted by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from services.ingest.run import ingest_paths
from services.ingest.show import describe_quality
from services.ingest.write.import_result import ImportResult
from services.ingest.write.quality_report import read_quality
from tests.integration.ingest.database import POLLS_HEADER, load
from tests.integration.ingest.deliveries import pack

HOURS = "store_id,dayOfWeek,start_time_local,end_time_local"
ZONES = "store_id,timezone_str"


def quality(database_url: str, result: ImportResult) -> Mapping[str, Any]:
    assert result.id
    with psycopg.connect(database_url) as conn:
        ((report,),) = conn.execute("select quality from import where id = %s", [result.id])
    remarks = {"notes", "stores_unchanged", "stores_unchanged_list"}
    return {name: value for name, value in report.items() if name not in remarks}


def test_polls(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "zones.csv", [ZONES, "a,UTC", "b,America/Chicago", "unpolled,UTC"])
    # Monday, in Chicago until 05:00 UTC of Tuesday; a store without hours is always open
    load(database_url, tmp_path / "hours.csv", [HOURS, "a,0,09:00,10:00", "b,0,09:00,23:59"])
    rows = [
        "a,active,2024-09-02 09:00:00 UTC",
        "a,active,2024-09-02 09:59:59.5 UTC",
        "a,active,2024-09-02 10:00:00 UTC",  # outside
        "a,active,2024-08-20 09:30:00 UTC",  # too old for the sample
        "b,active,2024-09-02 13:59:00 UTC",  # outside
        "b,active,2024-09-03 04:59:30 UTC",
        "c,active,2024-09-02 04:00:00 UTC",  # silent: more than 24 h before b's last
        "c,active,2024-09-02 04:00:00 UTC",
        "c,inactive,2024-09-02 04:00:00 UTC",
        "c,open,2024-09-02 05:00:00 UTC",
        "c,open,2024-09-02 06:00:00 UTC",
        "c,active,09/02/2024 07:00:00",
        "old,active,2024-08-01 00:00:00 UTC",  # silent
    ]
    assert quality(database_url, load(database_url, tmp_path / "polls.csv", [POLLS_HEADER, *rows])) == {
        "rejects": {"status": 2, "timestamp": 1},
        "duplicates": 1,
        "corrections": 1,
        "stores": 4,
        "stores_without_hours": 2,
        "stores_without_timezone": 2,
        "stores_never_polled": 1,
        "newest_poll": "2024-09-03T04:59:30+00:00",
        "newest_poll_of_all": "2024-09-03T04:59:30+00:00",
        "stores_silent_24h": 2,
        "sampled_stores": 4,
        "sampled_polls": 6,
        "gap_median_s": 3599.5,  # of 3599.5, 0.5 and 54,030
        "gap_p99_s": 53_021.39,
        "share_outside_hours": 2 / 6,
    }


def test_dated_hours_and_special_dates_count_as_hours(database_url: str, tmp_path: Path) -> None:
    # Thursdays 09:00 to 10:00, and special hours on the Friday after the first poll.
    dated = [f"{HOURS},effective_from", "od,3,09:00,10:00,2024-08-29", "always,0,00:00,24:00,2024-08-29"]
    load(database_url, tmp_path / "od.csv", dated)
    special = ["store_id,date,start_time_local,end_time_local", "od,2024-08-30,12:00,13:00"]
    load(database_url, tmp_path / "special.csv", special)
    load(database_url, tmp_path / "zones.csv", [ZONES, "od,UTC"])
    polls = [POLLS_HEADER, *(f"od,active,2024-08-{at} UTC" for at in ("29 09:30", "29 10:30", "30 12:30"))]
    report = quality(database_url, load(database_url, tmp_path / "polls.csv", polls))
    assert (report["stores"], report["stores_without_hours"]) == (1, 0)
    assert report["share_outside_hours"] == 1 / 3


def test_an_old_file_says_which_stores_are_silent_now(database_url: str, tmp_path: Path) -> None:
    old = [POLLS_HEADER, "a,active,2024-08-01 00:00:00 UTC", "b,active,2024-08-01 00:00:00 UTC"]
    load(database_url, tmp_path / "new.csv", [POLLS_HEADER, "a,active,2024-09-02 00:00:00 UTC"])
    report = quality(database_url, load(database_url, tmp_path / "old.csv", old))
    assert report["newest_poll"] == "2024-08-01T00:00:00+00:00"
    assert (report["newest_poll_of_all"], report["stores_silent_24h"]) == ("2024-09-02T00:00:00+00:00", 1)
    shown = dict(describe_quality([report]))
    assert shown["newest poll"] == (
        "2024-08-01T00:00:00+00:00 in these files, 2024-09-02T00:00:00+00:00 of all stores"
    )
    assert shown["silent > 24 h"] == "1 store, up to the newest poll of all stores"


def test_polls_that_change_nothing_have_no_newest_poll_of_their_own(
    database_url: str, tmp_path: Path
) -> None:
    old = [POLLS_HEADER, "a,active,2024-08-01 00:00:00 UTC"]
    load(database_url, tmp_path / "new.csv", [POLLS_HEADER, "a,active,2024-09-02 00:00:00 UTC"])
    first = quality(database_url, load(database_url, tmp_path / "old.csv", old))
    again = quality(database_url, load(database_url, tmp_path / "again.csv", [*old, old[1]]))
    assert first["newest_poll"] == "2024-08-01T00:00:00+00:00"
    assert "newest_poll" not in again
    shown = dict(describe_quality([again]))["newest poll"]
    assert shown == "none is new in these files, 2024-09-02T00:00:00+00:00 of all stores"
    assert again["gap_median_s"] is None
    assert again["duplicates"] == 2


def test_an_archive_without_polls_says_nothing_of_polls(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "polls.csv", [POLLS_HEADER, "a,active,2024-09-02 00:00:00 UTC"])
    (tmp_path / "zones.zip").write_bytes(pack({"zones.csv": f"{ZONES}\na,UTC\n"}))
    ingest_paths(database_url, [str(tmp_path / "zones.zip")])
    with psycopg.connect(database_url) as conn:
        ((report,),) = conn.execute("select quality from import where kind = 'archive'")
    assert report["stores"] == 1
    assert not {"newest_poll", "newest_poll_of_all", "stores_silent_24h", "sampled_polls"} & report.keys()


def test_hours(database_url: str, tmp_path: Path) -> None:
    rows = [
        HOURS,
        "a,0,09:00,12:00",
        "a,0,12:00,23:59:59",  # touches
        "a,1,00:00,02:00",  # continues at the seam
        "a,1,01:00,01:30",  # overlaps
        "a,1,01:45,02:00",  # overlaps the first of Tuesday, not the row before it
        "b,6,22:00,02:00",  # overnight into Monday
        "b,0,01:59,05:00",  # overlaps it
        "b,3,10:00,10:00",  # 24 hours
        "b,4,10:00,23:59",
        "rejected,9,10:00,11:00",
    ]
    assert quality(database_url, load(database_url, tmp_path / "hours.csv", rows)) == {
        "rejects": {"day": 1},
        "duplicates": 0,
        "corrections": 0,
        "stores": 0,
        "stores_without_hours": 0,
        "stores_without_timezone": 0,
        "stores_never_polled": 2,
        "hours_rows": 9,
        "seams_snapped": 2,
        "overlapping_hours": 3,
        "diagnostics": [
            {"name": "overlapping_hours", "count": 2, "examples": ["a", "b"], "severity": "warning"}
        ],
    }


def test_hours_are_counted_for_the_stores_that_a_file_names(database_url: str, tmp_path: Path) -> None:
    first = load(database_url, tmp_path / "1.csv", [HOURS, "a,0,09:00,12:00", "a,0,11:00,13:00"])
    second = load(database_url, tmp_path / "2.csv", [HOURS, "b,0,09:00,23:59", "b,1,10:00,10:02"])
    reports = [quality(database_url, one) for one in (first, second)]
    assert [report["hours_rows"] for report in reports] == [2, 2]
    found = [[one["name"] for one in report["diagnostics"]] for report in reports]
    assert found == [["overlapping_hours"], ["short_span"]]
    assert dict(describe_quality(reports))["hours"] == "4 rows; 1 end 23:59 (read as 24:00), 1 overlap"


def test_zones(database_url: str, tmp_path: Path) -> None:
    rows = [ZONES, "a,UTC", "a,UTC", "b,America/Chicago", "b,UTC", "c,Nowhere"]
    assert quality(database_url, load(database_url, tmp_path / "zones.csv", rows)) == {
        "rejects": {"timezone": 1},
        "duplicates": 1,
        "corrections": 1,
        "stores": 0,
        "stores_without_hours": 0,
        "stores_without_timezone": 0,
        "stores_never_polled": 2,
    }


def test_the_report_of_an_archive_covers_its_members(database_url: str, tmp_path: Path) -> None:
    polls = load(
        database_url, tmp_path / "polls.csv", [POLLS_HEADER, "a,up,x", "a,active,2024-09-02T00:00:00Z"]
    )
    hours = load(database_url, tmp_path / "hours.csv", [HOURS, "c,8,x,y", "a,0,00:00,23:59"])
    archive = uuid4()
    with psycopg.connect(database_url) as conn:
        conn.execute("insert into import (id, kind, source) values (%s, 'archive', 'a.zip')", [archive])
        conn.execute("update import set parent_id = %s where id = any(%s)", [archive, [polls.id, hours.id]])
        report = read_quality(conn, archive)
    assert report["rejects"] == {"day": 1, "status": 1}
    assert report["seams_snapped"] == report["sampled_polls"] == 1
