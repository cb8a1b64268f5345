"""Time zones of stores: Windows names, names of the machine, and warnings for zones with a fixed offset."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from services.ingest.parse.zones import FIXED_ZONES, Zone, describe_fixed, find_zone
from shared.zone_names import NAMED_ZONES


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Eastern Standard Time", "America/New_York"),
        ("eastern standard time", "America/New_York"),
        (" Central  Standard Time ", "America/Chicago"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("W._Europe_Standard_Time", "Europe/Berlin"),
        ("Central Standard Time (Mexico)", "America/Mexico_City"),
        ("GMT Standard Time", "Europe/London"),
        ("US Mountain Standard Time", "America/Phoenix"),
        ("UTC-11", "Etc/GMT+11"),
        ("Tokyo Standard Time", "Asia/Tokyo"),
    ],
)
def test_windows_names(text: str, name: str) -> None:
    zone = find_zone(text)
    assert isinstance(zone, Zone)
    assert zone.name == name
    assert zone.windows_name is not None
    assert f"is read as {name}" in zone.warnings[0]


@pytest.mark.parametrize("text", ["UTC", "Etc/UTC", "US/Eastern", "america/new york", "CET", "EST5EDT"])
def test_names_without_a_warning(text: str) -> None:
    zone = find_zone(text)
    assert isinstance(zone, Zone)
    assert zone.warnings == []


@pytest.mark.parametrize(
    "text",
    [
        "localtime",
        "LocalTime",
        "Factory",
        "posixrules",
        "posix/America/New_York",
        "right/UTC",
        "POSIX/UTC",
        " Right/UTC",
    ],
)
def test_names_that_depend_on_the_machine(text: str) -> None:
    assert find_zone(text) == "timezone_of_machine"


@pytest.mark.parametrize(
    "text",
    [
        "PST",
        "EDT",
        "CST",
        "Eastern",
        "Eastern Time",
        "Eastern Daylight Time",
        "UTC-5",
        "UTC+02:00",
        "GMT+2",
        "+01:00",
        "",
        "-5",
    ],
)
def test_names_that_are_not_zones(text: str) -> None:
    assert find_zone(text) == "timezone"


def test_fixed_zones_are_those_without_daylight_saving_time() -> None:
    for name, hours in FIXED_ZONES.items():
        offset = datetime(2024, 7, 1, tzinfo=ZoneInfo(name)).utcoffset()
        assert offset is not None
        assert offset.total_seconds() == hours * 3600
    assert {name for name in NAMED_ZONES if name.startswith("Etc/GMT")} <= FIXED_ZONES.keys()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("EST", "America/New_York"),
        ("MST", "America/Denver or America/Phoenix"),
        ("HST", "Pacific/Honolulu"),
        ("GMT", "Europe/London"),
        ("Etc/GMT+6", "America/Chicago"),
        ("Etc/GMT-1", "Europe/Berlin"),
        ("Etc/GMT-2", "America/Noronha"),  # the sign may be the wrong way round
        ("Etc/GMT+8", "Asia/Singapore"),
    ],
)
def test_warnings_name_the_zone_that_is_meant(name: str, meant: str) -> None:
    assert meant in describe_fixed(name)
