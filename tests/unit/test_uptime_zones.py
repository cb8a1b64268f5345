"""Local time to UTC: the table says for every quarter of an hour what zoneinfo says, whatever the clocks did."""

import os
import subprocess
import sys
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import numpy as np
import pytest
import tzdata

from shared.uptime.zones import DAY_S, zone_table
from tests.oracle.accounting import SECOND_US, instant_us

_SCRIPT = """
from shared.uptime.tzdata_release import tzdata_version
from shared.zone_names import NAMED_ZONES
print(tzdata_version(), "Mars/Olympus" in NAMED_ZONES, "Europe/Berlin" in NAMED_ZONES)
"""
EPOCH_DATE = date(1970, 1, 1)
CHANGES = {
    "Africa/Cairo": date(2024, 4, 26),  # the gap begins at midnight
    "America/Anchorage": date(2024, 3, 10),
    "America/Caracas": date(2016, 5, 1),  # half an hour, for good
    "America/Havana": date(2024, 11, 3),  # the fold ends at 01:00
    "America/New_York": date(2024, 11, 3),
    "America/Sao_Paulo": date(2018, 11, 4),
    "Antarctica/Troll": date(2024, 3, 31),  # two hours
    "Asia/Kathmandu": date(2024, 3, 10),  # none
    "Australia/Lord_Howe": date(2024, 10, 6),  # half an hour
    "Europe/Dublin": date(2024, 10, 27),
    "Pacific/Apia": date(2011, 12, 30),  # a whole day skipped
    "Pacific/Chatham": date(2024, 9, 29),
}


@pytest.mark.parametrize("zone", CHANGES)
def test_every_quarter_of_an_hour_around_a_change(zone: str) -> None:
    first_day = (CHANGES[zone] - EPOCH_DATE).days - 3
    quarters = np.arange(6 * 96) * 900
    table = zone_table(["UTC", zone, "Asia/Tokyo"], first_day, first_day + 5)
    utc_s = table.utc_s(np.full(len(quarters), 1), first_day * DAY_S + quarters)
    expected = [
        instant_us(zone, EPOCH_DATE + timedelta(days=first_day), int(quarter)) for quarter in quarters
    ]
    assert (utc_s * SECOND_US).tolist() == expected
    if zone != "Asia/Kathmandu":
        assert set(np.diff(utc_s).tolist()) != {900}


def test_a_range_of_years_holds_every_change() -> None:
    noon_s = (np.arange(20_000, 21_500) * DAY_S) + DAY_S // 2
    utc_s = zone_table(["America/New_York"], 20_000, 21_500).utc_s(np.zeros(1_500, dtype=np.int64), noon_s)
    assert {3600 * hours for hours in (4, 5)} == set((utc_s - noon_s).tolist())
    assert utc_s.tolist() == [
        instant_us("America/New_York", EPOCH_DATE + timedelta(days=day), DAY_S // 2) // SECOND_US
        for day in range(20_000, 21_500)
    ]


def test_no_zones_at_all() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    assert zone_table([], 20_000, 20_007).utc_s(nothing, nothing).shape == (0,)


def test_an_unknown_zone_is_an_error() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        zone_table(["America/Gotham"], 20_000, 20_007)


def test_the_files_of_the_machine_are_not_read(tmp_path: Path) -> None:
    """In a process of its own, as `zoneinfo` reads its search path once."""
    (tmp_path / "Mars").mkdir()
    berlin = files("tzdata.zoneinfo.Europe") / "Berlin"
    (tmp_path / "Mars" / "Olympus").write_bytes(berlin.read_bytes())
    printed = subprocess.run(
        [
            sys.executable,
            "-c",
            _SCRIPT,
        ],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONTZPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed.split() == [tzdata.IANA_VERSION, "False", "True"]
