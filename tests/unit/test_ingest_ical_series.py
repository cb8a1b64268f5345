"""Recurring events of iCalendar files: how far they are read, and what is left out of a series."""

from services.ingest.parse.ical_dates import parse_icalendar
from tests.unit.ical_text import NEW_YORK, TODAY, WHOLE_DAY, calendar, dates


def test_recurring_events_are_read_for_twenty_years() -> None:
    christmas = dates("DTSTART;VALUE=DATE:19701225\nRRULE:FREQ=YEARLY")
    assert list(christmas) == [f"{year}-12-25" for year in range(2016, 2036)]
    thanksgiving = dates("DTSTART;VALUE=DATE:19701126\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH")
    assert [day for day in thanksgiving if day.startswith("202")][:3] == [
        "2020-11-26",
        "2021-11-25",
        "2022-11-24",
    ]
    until = "DTSTART;VALUE=DATE:20240101\nRRULE:FREQ=DAILY;UNTIL=20240103"
    assert list(dates(until)) == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert list(dates("DTSTART;VALUE=DATE:20240101\nRRULE:FREQ=WEEKLY;COUNT=2")) == [
        "2024-01-01",
        "2024-01-08",
    ]


def test_what_is_left_out_of_a_series() -> None:
    series = "UID:a\nDTSTART;TZID=America/New_York:20240101T100000\nDURATION:PT4H\nRRULE:FREQ=DAILY;COUNT=5"
    left_out = (
        "EXDATE;TZID=America/New_York:20240102T100000\nEXDATE:20240103T150000Z\nEXDATE;VALUE=DATE:20240104"
    )
    assert list(dates(f"{series}\n{left_out}")) == ["2024-01-01", "2024-01-05"]
    moved = (
        "UID:a\nRECURRENCE-ID;TZID=America/New_York:20240102T100000\nDTSTART:20240102T120000\nDURATION:PT1H"
    )
    canceled = (
        "UID:a\nRECURRENCE-ID:20240103T150000Z\nSTATUS:CANCELLED\nDTSTART:20240103T150000Z\nDURATION:PT1H"
    )
    assert dates(series, moved, canceled) == {
        "2024-01-01": ["10:00-14:00"],
        "2024-01-02": ["12:00-13:00"],
        "2024-01-04": ["10:00-14:00"],
        "2024-01-05": ["10:00-14:00"],
    }
    more = "DTSTART;VALUE=DATE:20240101\nRDATE;VALUE=DATE:20240301,20240302"
    assert list(dates(more)) == ["2024-01-01", "2024-03-01", "2024-03-02"]


def test_the_end_of_a_series_is_an_instant() -> None:
    """UNTIL is in UTC: 04:00 on the third is still the second in New York."""
    series = "DTSTART;TZID={}:20240101T220000\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20240103T040000Z"
    assert list(dates(series.format("America/New_York"))) == ["2024-01-01", "2024-01-02"]
    assert list(dates(series.format("Our shop"), head=NEW_YORK)) == ["2024-01-01", "2024-01-02"]


def test_events_outside_the_twenty_years_are_counted() -> None:
    found = parse_icalendar(
        calendar("DTSTART;VALUE=DATE:20081225", "DTSTART;VALUE=DATE:20241225", "DTSTART;VALUE=DATE:20410101"),
        TODAY,
    )
    assert list(map(str, found.dates)) == ["2024-12-25"]
    assert found.warnings == [
        "events before 2016-01-01 or after 2035-12-31 were left out: 2; a calendar from iCalendar covers 20 years"
    ]


def test_an_exception_that_matches_nothing_is_named() -> None:
    """The first occurrence matches by its day, the second at its time; what lies outside the 20 years is not known."""
    series = (
        "UID:a\nDTSTART:20241223T100000\nDURATION:PT4H\nRRULE:FREQ=DAILY;COUNT=5\n"
        "EXDATE;VALUE=DATE:20241223\nEXDATE:20241224T100000,20241225T110000,20081225T100000\n"
    )
    moved = "UID:a\nDTSTART:20250102T100000\nDURATION:PT1H\nRECURRENCE-ID:20241226T120000"
    other = "UID:a\nDTSTART:20240501T120000\nDURATION:PT1H\nRDATE:20240601T100000"
    found = parse_icalendar(calendar(series, moved, other), TODAY)
    assert sorted(map(str, found.dates)) == [
        "2024-05-01", "2024-06-01", "2024-12-25", "2024-12-26", "2024-12-27", "2025-01-02",
    ]  # fmt: skip
    (warning,) = found.warnings
    assert warning == (
        "no occurrence begins at 2024-12-25 11:00:00 (line 9), 2024-12-26 12:00:00 (line 15), so this EXDATE or RECURRENCE-ID"
        " leaves nothing out: write the start of the occurrence, with its time and zone"
    )
    right = moved.replace("T120000", "T100000")
    assert (
        parse_icalendar(calendar(series.replace(",20241225T110000", ""), right, other), TODAY).warnings == []
    )


def test_only_the_first_exceptions_are_named() -> None:
    many = "EXDATE;VALUE=DATE:" + ",".join(f"202405{day:02}" for day in range(1, 32))
    (warning,) = parse_icalendar(calendar(WHOLE_DAY + many), TODAY).warnings
    assert "2024-05-05 (line 5) and 26 more" in warning
