"""Deliveries as they came from users, from the files to the figures of a report: by the command and by HTTP alike."""

import csv
import gzip
import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.worker.context import WorkerContext
from tests.fixtures.buckets import content_of
from tests.fixtures.in_process import work
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.deliveries import Deliver, days, table, week
from tests.integration.ingest.service import ended, ingest_service

POLLS, ZONES = "store_id,status,timestamp_utc", "store_id,timezone_str"
BEGIN = datetime(2024, 10, 7, 4, tzinfo=UTC)
DOWN_HOURS = {*range(10, 16), *range(34, 40)}


def hourly(store: str) -> list[str]:
    """Return a week of polls: inactive in six hours of Monday and in six of Tuesday, New York time."""
    return [
        f"{store},{'inactive' if hour in DOWN_HOURS else 'active'},{BEGIN + timedelta(hours=hour):%Y-%m-%d %H:%M:%S} UTC"
        for hour in range(168)
    ]


def figures(api: TestClient, worker: WorkerContext, as_of: str, window: str) -> Mapping[str, tuple[str, str]]:
    """Make a report of one window. Return uptime and downtime by store, as printed."""
    made = api.post("/v1/reports", json={"as_of": as_of, "windows": [window]}).json()
    work(worker, made["id"])
    with worker.pool.connection() as conn:
        query = "select object from report_file where report_id = %s"
        ((key,),) = conn.execute(query, [made["id"]]).fetchall()
    rows = csv.reader(io.StringIO(content_of(worker.storage, key).decode()))
    next(rows)
    return {store: (up, down) for store, up, down in rows}


def test_hours_in_several_files(deliver: Deliver, api: TestClient, worker: WorkerContext) -> None:
    deliver(
        {
            "hours-part-0000.csv": table(*week("lake-1", 0, 1, 2)),
            "hours-part-0001.csv": table(*week("lake-1", 3, 4, 5, 6)),
            "polls.csv": table(*hourly("lake-1"), header=POLLS),
            "timezones.csv": table("lake-1,America/New_York", header=ZONES),
        }
    )
    assert figures(api, worker, "2024-10-14T04:00:00Z", "last_week") == {"lake-1": ("72.0000", "12.0000")}


def test_hours_that_were_saved_again(
    deliver: Deliver, api: TestClient, worker: WorkerContext, database_url: str
) -> None:
    stores = ("lake-2", "lake-3")
    deliver({"1.csv": table(*(f"{store},America/New_York" for store in stores), header=ZONES)})
    deliver({"2.csv": table(*(row for store in stores for row in hourly(store)), header=POLLS)})
    deliver({"3.csv": table(*(row for store in stores for row in week(store, *range(7))))})
    deliver(
        {
            "4.csv": table(
                *week("lake-2", 0, 1, 2, opens="9:00:00", closes="21:00:00"),
                *week("lake-2", 3, 4, 5, 6, opens="09:00:00", closes="21:00:00"),
                *week("lake-3", *range(5)),
                *week("lake-3", 5, 6, closes="24:00"),
            )
        }
    )
    assert [days(database_url, store) for store in stores] == [[*range(7)]] * 2
    found = figures(api, worker, "2024-10-14T04:00:00Z", "last_week")
    assert found == {"lake-2": ("72.0000", "12.0000"), "lake-3": ("78.0000", "12.0000")}


def test_weekdays_from_1_to_7(deliver: Deliver, database_url: str) -> None:
    stores = ("lake-9", "lake-10", "lake-11")
    rows = [
        row for store in stores for row in (*week(store, *range(1, 6)), *week(store, 6, 7, closes="15:00"))
    ]
    _, warnings = deliver({"hours.csv": table(*rows)})
    assert len(warnings) == 1
    assert "1 is read as Monday, 7 as Sunday" in warnings[0]
    with psycopg.connect(database_url) as conn:
        short = conn.execute(
            "select day_of_week, count(*) from business_hours where closes = 54000 group by 1"
        )
        assert sorted(short) == [(5, 3), (6, 3)]
        assert conn.execute("select count(*) from business_hours").fetchone() == (21,)


def test_a_zone_of_the_machine(deliver: Deliver, api: TestClient, worker: WorkerContext) -> None:
    stores = ("lake-4", "lake-5", "lake-6")
    deliver(
        {
            "polls.csv": table(
                *(f"{store},active,2024-10-14 10:00:00 UTC" for store in stores), header=POLLS
            ),
            "timezones.csv": table("lake-4,localtime", "lake-5,UTC", "lake-6,UTC", header=ZONES),
        }
    )
    assert figures(api, worker, "2024-10-14T11:00:00Z", "last_hour").keys() == set(stores)


@pytest.mark.parametrize("way", ["command", "http"])
def test_members_that_are_packed_or_named_txt(way: str, database_url: str, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("store_status.csv", table("lake-13,active,2024-10-14 10:00:00 UTC", header=POLLS))
        archive.writestr("menu_hours.csv.gz", gzip.compress(table(*week("lake-13", 0, 1)).encode()))
        archive.writestr("timezones.txt", table("lake-13,Europe/Berlin", header=ZONES))
    if way == "command":
        (tmp_path / "delivery.zip").write_bytes(packed.getvalue())
        assert run_ingest(database_url, str(tmp_path / "delivery.zip")).returncode == 0
    else:
        with ingest_service(database_url, tmp_path / "spool") as client:
            assert (
                ended(client, client.post("/v1/imports", content=packed.getvalue()))["state"] == "succeeded"
            )
    assert days(database_url, "lake-13") == [0, 1]
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select timezone from store").fetchall() == [("Europe/Berlin",)]


def test_the_parts_of_a_day_add_up_to_the_day(
    deliver: Deliver, api: TestClient, worker: WorkerContext
) -> None:
    deliver(
        {
            "polls.csv": table(
                "lake-15,active,2024-11-05 00:00:00 UTC",
                "lake-15,inactive,2024-11-05 12:00:09 UTC",
                header=POLLS,
            ),
            "timezones.csv": table("lake-15,UTC", header=ZONES),
        }
    )
    ((up, down),) = figures(api, worker, "2024-11-06T00:00:00Z", "last_day").values()
    assert float(up) + float(down) == pytest.approx(24.0, abs=1e-9)
