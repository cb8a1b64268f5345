"""Local times that clocks show twice or skip: one rule for a time that a person writes and for whole arrays of times."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.web.closure_form import ClosureDraft
from services.api.web.forms import PageForm
from shared.clock import from_us, to_us
from shared.incidents.delivery import Delivery
from shared.local_times import instant_of, instants_of
from shared.pictures.week import midnight_us
from shared.pictures.words import moment
from shared.uptime.bounds import midnights_us
from shared.uptime.closures import Treatment
from shared.uptime.zones import DAY_S, zone_table
from tests.property.terms import ZONES_40, changes_us

BERLIN = ZoneInfo("Europe/Berlin")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local times have no zone
_QUARTER = timedelta(minutes=15)


def around_changes(zone: str) -> list[datetime]:
    """Instants each quarter of an hour from three hours before each change of clocks until three hours after it."""
    return [
        from_us(change_us) + _QUARTER * number for change_us in changes_us(zone) for number in range(-12, 13)
    ]


@pytest.mark.parametrize("zone", ZONES_40)
def test_a_time_means_what_it_means_in_opening_hours(zone: str) -> None:
    shown = [at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) for at in around_changes(zone)]
    # The quarters between two of them may be skipped.
    written = sorted({local + _QUARTER * number for local in shown for number in range(-8, 9)})
    local_s = np.array([(local - _EPOCH) // timedelta(seconds=1) for local in written])
    table = zone_table([zone], int(local_s.min()) // DAY_S - 1, int(local_s.max()) // DAY_S + 1)
    expected = table.utc_s(np.zeros(len(local_s), np.int64), local_s).tolist()
    assert [int(instant_of(local, ZoneInfo(zone)).timestamp()) for local in written] == expected


@pytest.mark.parametrize("zone", ZONES_40)
def test_days_begin_where_those_of_reports_begin(zone: str) -> None:
    days = sorted({at.astimezone(ZoneInfo(zone)).date() for at in around_changes(zone)})
    numbers = np.array([[day.toordinal() - _EPOCH.toordinal() for day in days]])
    assert [midnight_us(day, ZoneInfo(zone)) for day in days] == midnights_us([zone], numbers)[0].tolist()


@given(
    zone=st.sampled_from(ZONES_40),
    near=st.integers(0, 5),
    offset_us=st.integers(-8_000_000_000, 8_000_000_000),
)
def test_every_instant_is_one_of_those_of_its_local_time(zone: str, near: int, offset_us: int) -> None:
    changes = changes_us(zone)
    at = from_us(changes[near % len(changes)] + offset_us)
    found = instants_of(at.astimezone(ZoneInfo(zone)), ZoneInfo(zone))
    assert at in found
    assert list(found) == sorted(found)
    assert len({each.astimezone(ZoneInfo(zone)).utcoffset() for each in found}) == len(found) <= 2


@pytest.mark.parametrize("zone", ZONES_40)
def test_the_form_of_a_closure_keeps_its_instants(zone: str) -> None:
    instants = around_changes(zone)
    for begin, end in pairwise(instants):
        draft = ClosureDraft.of_stretch(to_us(begin), to_us(end), ZoneInfo(zone))
        sent = PageForm([(name, str(value)) for name, value in vars(draft).items()])
        closure = ClosureDraft.of_form(sent).as_closure(ZoneInfo(zone))
        assert (closure.starts_us, closure.ends_us) == (to_us(begin), to_us(end))
        assert closure.treatment is Treatment.EXCLUDE


def test_a_time_that_occurs_twice_offers_both_and_means_the_first() -> None:
    typed = ClosureDraft("2026-10-25T02:30", "2026-10-25T03:30")
    assert typed.offsets("starts", BERLIN) == [("+02:00", True), ("+01:00", False)]
    assert typed.offsets("ends", BERLIN) == []
    assert ClosureDraft("").offsets("starts", BERLIN) == []
    second = ClosureDraft("2026-10-25T02:30", starts_offset="+01:00")
    assert second.offsets("starts", BERLIN) == [("+02:00", False), ("+01:00", True)]
    # An offset that was chosen for another time does not move this one.
    other = ClosureDraft("2026-10-26T02:30", starts_offset="+02:00").as_closure(BERLIN)
    assert from_us(other.starts_us) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_time_that_clocks_skip_means_the_first_instant_after_the_jump() -> None:
    jump = datetime(2026, 3, 29, 1, tzinfo=UTC)
    for text in ("2026-03-29T02:30", "2026-03-29T02:59:59.999999"):
        assert instant_of(datetime.fromisoformat(text), BERLIN) == jump
    draft = ClosureDraft("2026-03-29T02:30", "2026-03-29T03:15")
    closure = draft.as_closure(BERLIN)
    assert (closure.starts_us, closure.ends_us) == (to_us(jump), to_us(jump + _QUARTER))
    (said,) = draft.skipped(BERLIN)
    assert said.startswith("2026-03-29 02:30:00 does not exist in Europe/Berlin")
    assert said.endswith("Sun 29 Mar 2026 03:00 is taken")
    quiet = Delivery(zone="Europe/Berlin", quiet_from="22:00", quiet_until="02:30")
    assert quiet.told_from(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "UTC") == jump


def test_pages_and_pictures_tell_the_two_apart() -> None:
    shown = [moment(to_us(datetime(2026, 10, 25, hour, 30, tzinfo=UTC)), BERLIN) for hour in range(4)]
    assert shown == [
        "Sun 25 Oct 2026 02:30+02:00",
        "Sun 25 Oct 2026 02:30+01:00",
        "Sun 25 Oct 2026 03:30",
        "Sun 25 Oct 2026 04:30",
    ]
