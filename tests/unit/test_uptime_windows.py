"""How windows are written, named and refused; and where those of the calendar begin and end."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import from_us, to_us
from shared.uptime.bounds import bounds_us
from shared.uptime.policy import DAY_US, HOUR_US, MINUTE_US
from shared.uptime.window import (
    DEFAULT_WINDOW_NAMES,
    DEFAULT_WINDOWS,
    NAMED_WINDOWS,
    CalendarPeriod,
    parse_window,
    parse_windows,
    window_names,
    with_previous,
)
from tests.property.stores import ZONES, as_of_us


@pytest.mark.parametrize(
    ("text", "name", "length_us"),
    [
        ("PT6H", "last_6h", 6 * HOUR_US),
        ("P30D", "last_30d", 30 * DAY_US),
        ("P2W", "last_2w", 14 * DAY_US),
        ("P1DT12H", "last_1d12h", 36 * HOUR_US),
        ("PT90M", "last_90m", 90 * MINUTE_US),
        ("PT1H30M5S", "last_1h30m5s", 90 * MINUTE_US + 5_000_000),
        ("P0DT06H", "last_6h", 6 * HOUR_US),
        ("P366D", "last_366d", 366 * DAY_US),
        ("last_hour", "last_hour", HOUR_US),
    ],
)
def test_the_name_follows_the_text(text: str, name: str, length_us: int) -> None:
    window = parse_window(text)
    assert (window.name, window.reach_us, window.calendar) == (name, length_us, None)
    assert parse_window(name) == window
    assert parse_window(window.text) == window
    assert window_names([text, "nonsense"]) == [name, "nonsense"]


@pytest.mark.parametrize(
    ("text", "name", "first", "until"),
    [
        ("day_of:2024-02-29", "day_of_2024_02_29", date(2024, 2, 29), date(2024, 3, 1)),
        ("week_of:2026-W53", "week_of_2026_w53", date(2026, 12, 28), date(2027, 1, 4)),
        ("week_of:2026-W01", "week_of_2026_w01", date(2025, 12, 29), date(2026, 1, 5)),
        ("month_of:2026-12", "month_of_2026_12", date(2026, 12, 1), date(2027, 1, 1)),
    ],
)
def test_a_period_is_named_by_its_dates(text: str, name: str, first: date, until: date) -> None:
    window = parse_window(text)
    assert window.dates is not None
    assert (window.name, window.text, window.in_minutes) == (name, text, False)
    assert (window.dates.first, window.dates.until) == (first, until)
    assert parse_window(name) == window
    assert (parse_window(name).text, window_names([text, name])) == (text, [name, name])


@pytest.mark.parametrize(
    "text",
    [
        "day_of:2023-02-29",
        "day_of:2024-2-9",
        "day_of:",
        "day_of:20240229",
        "week_of:2025-W53",
        "week_of:2025-W00",
        "week_of:2025-53",
        "month_of:2024-13",
        "month_of:1999-12",
        "month_of:2101-01",
        "month_of:2024-10 ",
        "month_of:٢٠٢٤-10",
        "year_of:2024",
        "month_of_2024-10",
        "month_of:2024_10",
        "month_of_2024_13",
        "week_of_2026_W40",
        "week_of:2026-w40",
        "day_of_1999_12_31",
    ],
)
def test_a_period_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a window"):
        parse_window(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "P1M",
        "P1Y",
        "PT0S",
        "P367D",
        "PT1.5H",
        "-PT1H",
        "pt6h",
        "6h",
        "P1W2D3",
        "P٣D",
        "PT6H ",
        "last_",
        "last_6",
        "last_6H",
        "last_1h2d",
        "last_0h",
        "last_367d",
        "last_6h ",
    ],
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a window|at most 366 days"):
        parse_window(text)


def test_the_same_time_twice_and_too_many_are_refused() -> None:
    assert parse_windows(DEFAULT_WINDOW_NAMES) == DEFAULT_WINDOWS
    with pytest.raises(ValueError, match="last_hour and PT60M are the same window"):
        parse_windows(["PT6H", "last_hour", "PT60M"])
    with pytest.raises(ValueError, match="month_of:2024-10 is given twice"):
        parse_windows(["month_of:2024-10", "month_of:2024-11", "month_of:2024-10"])
    with pytest.raises(ValueError, match="P3D and last_3d are the same window"):
        parse_windows(["P3D", "last_3d"])
    with pytest.raises(ValueError, match="month_of:2024-10 and month_of_2024_10 are the same window"):
        parse_windows(["month_of:2024-10", "month_of_2024_10"])
    for texts in ([], [f"PT{hours}H" for hours in range(1, 22)]):
        with pytest.raises(ValueError, match="1 to 20"):
            parse_windows(texts)


def bounds(name: str, as_of: datetime, zone: str) -> tuple[datetime, datetime]:
    starts_us, ends_us = bounds_us([parse_window(name)], to_us(as_of), [zone])
    return tuple(from_us(int(us[0, 0])).astimezone(ZoneInfo(zone)) for us in (starts_us, ends_us))  # type: ignore[return-value]


def test_a_store_is_in_its_own_day() -> None:
    """At one instant it is Monday in Kiritimati, Sunday in Niue."""
    as_of = datetime(2024, 9, 1, 23, 30, tzinfo=UTC)
    shown = {
        zone: [f"{at:%d.%m. %H:%M}" for at in bounds("previous_day", as_of, zone)]
        for zone in ("Pacific/Kiritimati", "Pacific/Niue")
    }
    assert shown == {
        "Pacific/Kiritimati": ["01.09. 00:00", "02.09. 00:00"],
        "Pacific/Niue": ["31.08. 00:00", "01.09. 00:00"],
    }
    starts, ends = bounds("previous_month", as_of, "Pacific/Kiritimati")
    assert (starts.date(), ends.date()) == (date(2024, 8, 1), date(2024, 9, 1))


@pytest.mark.parametrize(
    ("name", "zone", "as_of", "hours"),
    [
        ("previous_day", "America/New_York", datetime(2024, 3, 11, 16, tzinfo=UTC), 23),
        ("previous_day", "America/New_York", datetime(2024, 11, 4, 16, tzinfo=UTC), 25),
        ("previous_day", "America/Havana", datetime(2024, 3, 11, 16, tzinfo=UTC), 23),  # no midnight that day
        ("previous_day", "America/Havana", datetime(2024, 11, 4, 16, tzinfo=UTC), 25),  # midnight twice: the first
        ("previous_week", "Europe/Dublin", datetime(2024, 4, 1, 12, tzinfo=UTC), 167),
        ("previous_month", "Europe/Dublin", datetime(2024, 11, 1, 0, tzinfo=UTC), 745),
        ("previous_quarter", "Europe/Dublin", datetime(2024, 4, 1, 12, tzinfo=UTC), 91 * 24 - 1),
        ("previous_quarter", "Europe/Dublin", datetime(2024, 2, 29, 12, tzinfo=UTC), 92 * 24 + 1),
        ("previous_year", "America/Chicago", datetime(2025, 1, 1, 6, tzinfo=UTC), 366 * 24),
        ("previous_year", "America/Chicago", datetime(2025, 1, 1, 5, tzinfo=UTC), 365 * 24),  # still 2024
        ("year_to_date", "America/Chicago", datetime(2024, 4, 1, 5, tzinfo=UTC), 91 * 24 - 1),
        ("day_of:2024-11-03", "America/New_York", datetime(2024, 12, 1, tzinfo=UTC), 25),
        ("day_of:2024-03-10", "America/New_York", datetime(2024, 12, 1, tzinfo=UTC), 23),
        ("day_of:2024-03-10", "America/New_York", datetime(2024, 3, 10, 12, tzinfo=UTC), 7),  # not over yet
        ("day_of:2024-03-11", "America/New_York", datetime(2024, 3, 10, 12, tzinfo=UTC), 0),  # not begun
        ("week_of:2024-W13", "Europe/Dublin", datetime(2024, 12, 1, tzinfo=UTC), 167),
        ("month_of:2024-10", "Europe/Dublin", datetime(2026, 12, 1, tzinfo=UTC), 745),
        ("day_of:2011-12-30", "Pacific/Apia", datetime(2012, 12, 31, 2, tzinfo=UTC), 0),  # never was
        ("previous_day", "Pacific/Apia", datetime(2011, 12, 31, 12, tzinfo=UTC), 24),
        ("previous_day", "Pacific/Apia", datetime(2011, 12, 31, 2, tzinfo=UTC), 0),  # the 30th never was
    ],
)  # fmt: skip
def test_days_have_the_hours_they_have(name: str, zone: str, as_of: datetime, hours: int) -> None:
    starts, ends = bounds(name, as_of, zone)
    assert ends.astimezone(UTC) - starts.astimezone(UTC) == timedelta(hours=hours)


@settings(deadline=None)
@given(as_of_us=as_of_us(), zone=ZONES, calendar=st.sampled_from(list(CalendarPeriod)))
def test_it_lies_between_as_of_and_its_reach(
    as_of_us: int, zone: str | None, calendar: CalendarPeriod
) -> None:
    window = NAMED_WINDOWS[calendar]
    starts_us, ends_us = bounds_us([window], as_of_us, [zone])
    assert as_of_us - window.reach_us <= starts_us[0, 0] <= ends_us[0, 0] <= as_of_us


@settings(deadline=None)
@given(as_of_us=as_of_us(), zone=ZONES, ago=st.integers(-3, 40))
def test_a_period_lies_within_its_bounds_for_all_zones(as_of_us: int, zone: str | None, ago: int) -> None:
    day = (from_us(as_of_us) - timedelta(days=ago)).date()
    for text in (f"day_of:{day}", f"week_of:{day:%G-W%V}", f"month_of:{day:%Y-%m}"):
        window = parse_window(text)
        starts_us, ends_us = bounds_us([window], as_of_us, [zone])
        assert as_of_us - window.reach_from_us(as_of_us) <= starts_us[0, 0] <= ends_us[0, 0] <= as_of_us
        assert ends_us[0, 0] <= window.ends_by_us(as_of_us)


@pytest.mark.parametrize(
    ("text", "name", "length_us"),
    [
        ("before:last_hour", "before_last_hour", HOUR_US),
        ("before:PT6H", "before_last_6h", 6 * HOUR_US),
        ("before:P366D", "before_last_366d", 366 * DAY_US),
        ("before:last_30d", "before_last_30d", 30 * DAY_US),
    ],
)
def test_the_window_before_one_of_fixed_length(text: str, name: str, length_us: int) -> None:
    window, as_of = parse_window(text), to_us(datetime(2024, 11, 5, 12, tzinfo=UTC))
    assert (window.name, window.reach_us) == (name, 2 * length_us)
    assert parse_window(name) == parse_window(window.text) == window
    assert window.in_minutes == (length_us <= HOUR_US)
    starts_us, ends_us = bounds_us([window], as_of, ["Asia/Kathmandu"])
    assert (starts_us.item(), ends_us.item()) == (as_of - 2 * length_us, as_of - length_us)
    assert window.ends_by_us(as_of) == as_of - length_us


@settings(deadline=None)
@given(as_of=as_of_us(), zone=ZONES, calendar=st.sampled_from(list(CalendarPeriod)))
def test_the_window_before_a_calendar_window_ends_where_that_begins(
    as_of: int, zone: str | None, calendar: CalendarPeriod
) -> None:
    windows = parse_windows([calendar.value, f"before:{calendar.value}"])
    starts_us, ends_us = bounds_us(windows, as_of, [zone])
    (start, before), (end, before_end) = starts_us[0], ends_us[0]
    assert before <= before_end <= start <= end
    assert as_of - before <= windows[1].reach_us
    if calendar in (CalendarPeriod.MONTH_TO_DATE, CalendarPeriod.YEAR_TO_DATE):
        assert before_end - before == end - start or before_end == start
    else:
        assert before_end == start


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("before:month_of:2024-03", "month_of:2024-02"),
        ("before_month_of_2024_01", "month_of:2023-12"),
        ("before:week_of:2026-W01", "week_of:2025-W52"),
        ("before:day_of:2024-03-01", "day_of:2024-02-29"),
    ],
)
def test_the_window_before_a_period_is_a_period(text: str, same: str) -> None:
    assert parse_window(text) == parse_window(same)


@pytest.mark.parametrize(
    "text", ["before:", "before:before:P1D", "before:before_last_day", "before:P1M", "before_"]
)
def test_what_is_no_window_before_another_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a window"):
        parse_window(text)
    with pytest.raises(ValueError, match="month_of:2024-10 and before:month_of:2024-11 are the same window"):
        parse_windows(["month_of:2024-10", "before:month_of:2024-11"])


def test_windows_with_those_before_them() -> None:
    texts = ["last_day", "month_of:2024-10", "before:P1D", "month_of:2024-09", "day_of:2000-01-01", "P2D"]
    every, places = with_previous(parse_windows(texts))
    assert [window.text for window in every] == [*texts, "month_of:2024-08", "before:P2D"]
    assert places == [2, 3, None, 6, None, 7]


def test_two_windows_share_the_one_before() -> None:
    every, places = with_previous(parse_windows(["last_day", "before:last_day"]))
    assert ([window.text for window in every], places) == (["last_day", "before:last_day"], [1, None])
