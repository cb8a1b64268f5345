"""Parts of a local date, also where clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.api.use_cases.day_part import DayPart
from shared.clock import from_us

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", None)


@pytest.mark.parametrize(
    "day", [date(2024, 10, 13), date(2024, 10, 27), date(2024, 3, 31), date(2024, 11, 3)]
)
@pytest.mark.parametrize("hours", [(0, 24), (0, 6), (18, 24)])
def test_it_lies_between_local_times(day: date, hours: tuple[int, int]) -> None:
    starts, ends = DayPart(day, *hours).bounds_us(ZONES)
    for place, name in enumerate(ZONES):
        zone = ZoneInfo(name or "America/Chicago")
        for at_us, hour in ((starts[place], hours[0]), (ends[place], hours[1])):
            wanted = datetime.combine(day + timedelta(days=hour // 24), time(hour % 24), zone)
            assert from_us(int(at_us)) == wanted.astimezone(UTC)


def test_it_reaches_beyond_every_zone() -> None:
    part = DayPart(date(2024, 10, 13), 18, 24)
    first_us, last_us = part.reach_us
    starts, ends = part.bounds_us(["Pacific/Kiritimati", "Pacific/Pago_Pago"])
    assert first_us <= min(starts)
    assert last_us >= max(ends)


def test_there_may_be_no_store() -> None:
    starts, ends = DayPart(date(2024, 10, 13)).bounds_us([])
    assert (len(starts), len(ends)) == (0, 0)
