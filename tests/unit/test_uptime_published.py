"""Open minutes of real stores, against the numbers an independent implementation published for them.

It reads a close of 23:59 or 23:59:59 literally and rounds to whole minutes; each such close is a seam.
"""

import csv
from collections import Counter
from pathlib import Path

import pytest

from tests.oracle.accounting import MINUTE_US, HoursRow
from tests.oracle.engine import Store, measured
from tests.unit.test_uptime_vectors import WINDOWS, instant_us, second

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "2025"
AS_OF_US = instant_us("2024-10-14T23:55:18.727055Z")  # Monday afternoon in America
ROUNDING = 0.5

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data set is not here")


def records(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def test_open_minutes_are_the_published_ones_and_the_seams() -> None:
    published = records("open_minutes_published.csv")
    zones = {record["store_id"]: record["timezone_str"] for record in records("timezones.csv")}
    hours: dict[str, list[HoursRow]] = {record["store_id"]: [] for record in published}
    for record in records("menu_hours.csv"):
        if record["store_id"] in hours:
            hours[record["store_id"]].append(
                HoursRow(
                    int(record["dayOfWeek"]),
                    second(record["start_time_local"]),
                    second(record["end_time_local"]),
                )
            )
    stores = [Store(zones.get(store_id), rows, []) for store_id, rows in hours.items()]

    seams_met: Counter[str] = Counter()
    for record, store, numbers in zip(
        published, stores, measured(stores, AS_OF_US, "classic", WINDOWS), strict=True
    ):
        seam_days = [row.day_of_week for row in store.hours if row.closes_s in {86_340, 86_399}]
        seams = {"last_hour": 0, "last_day": seam_days.count(6), "last_week": len(seam_days)}
        for window, measure in numbers.items():
            more = measure["open_us"] / MINUTE_US - int(record[f"open_minutes_{window}"])
            assert -ROUNDING <= more <= seams[window] + ROUNDING, (record["store_id"], window)
            seams_met[window] += more > ROUNDING
    assert 0 == seams_met["last_hour"] < seams_met["last_day"] < seams_met["last_week"]
