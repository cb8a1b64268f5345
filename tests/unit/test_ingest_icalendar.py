"""iCalendar files become dates: what is read, what is refused with its line, and that no file costs more than its size."""

import time
import tracemalloc
from contextlib import suppress
from datetime import date

import pytest

from services.ingest.parse.ical_dates import parse_icalendar
from shared.errors import InvalidRequest

TODAY = date(2026, 11, 29)
NEW_YORK = """BEGIN:VTIMEZONE
TZID:Our shop
BEGIN:STANDARD
DTSTART:16011104T020000
RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010311T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
END:DAYLIGHT
END:VTIMEZONE
"""


def calendar(*events: str, head: str = "") -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", *head.splitlines()]
    for event in events:
        lines += ["BEGIN:VEVENT", *event.splitlines(), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def dates(*events: str, head: str = "") -> dict[str, list[str]]:
    """Return the opening intervals by date, as `HH:MM-HH:MM`."""
    found = parse_icalendar(calendar(*events, head=head), TODAY).dates
    return {
        str(day): [
            f"{opens // 3600:02}:{opens // 60 % 60:02}-{closes // 3600:02}:{closes // 60 % 60:02}"
            for opens, closes in zip(seconds[::2], seconds[1::2], strict=True)
        ]
        for day, seconds in found.items()
    }


def test_an_event_of_whole_days_closes_its_dates() -> None:
    assert dates("DTSTART;VALUE=DATE:20241225") == {"2024-12-25": []}
    assert list(dates("DTSTART;VALUE=DATE:20241224\nDTEND;VALUE=DATE:20241227")) == [
        "2024-12-24",
        "2024-12-25",
        "2024-12-26",
    ]
    assert list(dates("DTSTART;VALUE=DATE:20241224\nDURATION:P2D")) == ["2024-12-24", "2024-12-25"]
    # As some programs write an event of one day.
    assert list(dates("DTSTART;VALUE=DATE:20241224\nDTEND;VALUE=DATE:20241224")) == ["2024-12-24"]


def test_an_event_with_times_is_an_opening_interval() -> None:
    assert dates(
        "DTSTART:20241224T100000\nDTEND:20241224T140000", "DTSTART:20241224T160000\nDURATION:PT2H"
    ) == {"2024-12-24": ["10:00-14:00", "16:00-18:00"]}
    assert dates("DTSTART:20241231T220000\nDTEND:20250101T020000") == {"2024-12-31": ["22:00-02:00"]}
    assert dates("DTSTART:20241231T000000\nDTEND:20250101T000000") == {"2024-12-31": ["00:00-00:00"]}


def test_times_with_a_zone_are_read_as_they_are_written() -> None:
    local = "DTSTART;TZID=America/New_York:20241224T100000\nDTEND;TZID=America/New_York:20241224T140000"
    assert dates(local) == {"2024-12-24": ["10:00-14:00"]}
    assert parse_icalendar(calendar(local), TODAY).warnings == [
        "times with a time zone were read as the local time of each store"
    ]
    windows = local.replace("America/New_York", "Eastern Standard Time")
    prefixed = local.replace("America/New_York", "/example.org/20240101/America/New_York")
    assert dates(windows) == dates(prefixed) == dates(local)


def test_times_in_utc_are_shown_in_the_calendars_zone() -> None:
    utc = "DTSTART:20240704T150000Z\nDTEND:20240704T190000Z"
    assert dates(utc, head="X-WR-TIMEZONE:America/Chicago") == {"2024-07-04": ["10:00-14:00"]}
    assert dates(utc, head=f"X-WR-TIMEZONE:Our shop\n{NEW_YORK}") == {"2024-07-04": ["11:00-15:00"]}
    winter = utc.replace("0704", "1224")
    assert dates(winter, head=f"{NEW_YORK}X-WR-TIMEZONE:Our shop") == {"2024-12-24": ["10:00-14:00"]}


@pytest.mark.parametrize("head", ["X-WR-TIMEZONE:America/New_York", f"X-WR-TIMEZONE:Our shop\n{NEW_YORK}"])
def test_times_in_utc_are_exact_when_clocks_change(head: str) -> None:
    """On 3 November 2024, clocks in New York show 01:00 to 02:00 twice: from 05:00 to 07:00 UTC."""

    def read(begin: str, end: str) -> list[str]:
        (hours,) = dates(f"DTSTART:{begin}Z\nDTEND:{end}Z", head=head).values()
        return hours

    assert read("20241103T040000", "20241103T100000") == ["00:00-05:00"]
    assert read("20241103T051500", "20241103T054500") == ["01:15-01:45"]
    assert read("20241103T053000", "20241103T070000") == ["01:30-02:00"]
    assert read("20240310T050000", "20240310T100000") == ["00:00-06:00"]
    for begin, end in (("20241103T063000", "20241103T100000"), ("20241103T053000", "20241103T063000")):
        with pytest.raises(InvalidRequest, match=r"go back on 2024-11-03 and show 01:30 twice"):
            read(begin, end)
    with pytest.raises(InvalidRequest, match="up to 24 hours"):
        read("20240310T050000", "20240311T050000")
    zoned = "DTSTART;TZID=America/New_York:20241103T000000\nDTEND:20241103T063000Z"
    with pytest.raises(InvalidRequest, match=r"line 5: DTEND .* show 01:30 twice"):
        dates(zoned)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ("DTSTART;VALUE=DATE:20081225", "events before 2016-01-01 or after 2035-12-31 were left out: 1"),
        ("DTSTART:20410101T100000\nDURATION:PT4H", "were left out: 1"),
        ("DTSTART;VALUE=DATE:20081225\nRRULE:FREQ=YEARLY;COUNT=3", ""),
        ("DTSTART;VALUE=DATE:20241225\nSTATUS:CANCELLED", "all its events are canceled or excepted"),
        (
            "DTSTART;VALUE=DATE:20241225\nEXDATE;VALUE=DATE:20241225",
            "all its events are canceled or excepted",
        ),
    ],
)
def test_a_file_without_dates_is_refused(event: str, told: str) -> None:
    """It would empty a calendar without a word."""
    with pytest.raises(
        InvalidRequest, match="would empty the calendar: send events of these years"
    ) as refused:
        dates(event)
    assert told in str(refused.value)


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


def test_folded_lines_alarms_and_other_components_are_read_as_written() -> None:
    body = (
        b"\xef\xbb\xbfBEGIN:VCALENDAR\nBEGIN:VTODO\nDTSTART:20200101T000000\nEND:VTODO\nBEGIN:VEVENT\n"
        b"SUMMARY:caf\xc3\n \xa9\ndtstart;value=da\n te:2024\n\t1225\n"
        b"BEGIN:VALARM\nDTSTART:20200101T000000\nDURATION:PT5M\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    assert list(map(str, parse_icalendar(body, TODAY).dates)) == ["2024-12-25"]


WHOLE_DAY = "DTSTART;VALUE=DATE:20240101\n"


@pytest.mark.parametrize(
    ("event", "line", "told"),
    [
        ("SUMMARY:x", 3, "add the date"),
        ("DTSTART;VALUE=DATE:20240230", 4, "write 20241224"),
        ("DTSTART;VALUE=DATE:20240101\nDTSTART;VALUE=DATE:20240202", 5, "has this twice"),
        ("DTSTART;VALUE=DATE:18991231", 4, "1900 to 2200"),
        ("DTSTART:20240101T100000", 4, "neither DTEND nor DURATION: add the time"),
        ("DTSTART;TZID=UTC:20240101T100000\nDTEND:20240101T140000", 5, "give both one, or neither"),
        ("DTSTART:20240101T100000\nDTEND:20240103T100000", 5, "up to 24 hours"),
        ("DTSTART:20240101T100000\nDTEND:20240101T090000", 5, "ends after it begins"),
        ("DTSTART:20240101T100000\nDTEND;VALUE=DATE:20240102", 5, "both be dates or both be times"),
        ("DTSTART:20240101T100000\nDURATION:4 hours", 5, "write it as PT4H"),
        ("DTSTART;TZID=Mars/Olympus:20240101T100000\nDURATION:PT1H", 4, "America/New_York"),
        ("DTSTART:20240101T100000Z\nDURATION:PT1H", 4, "without Z, or with TZID"),
        (WHOLE_DAY + "DTEND;VALUE=DATE:20231231", 5, "a later date"),
        (WHOLE_DAY + "DTEND;VALUE=DATE:99991231", 5, "1900 to 2200"),
        (WHOLE_DAY + "DURATION:P99999999W", 5, "within 100 years"),
        (WHOLE_DAY + "RRULE:FREQ=HOURLY", 5, "YEARLY, MONTHLY, WEEKLY or DAILY"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY;INTERVAL=0", 5, "INTERVAL must be 1 to"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY;COUNT=0", 5, "COUNT must be 1 to 1,000,000,000"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY;COUNT=99999999999", 5, "COUNT must be 1 to 1,000,000,000"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY;COUNT=" + "9" * 5000, 5, "COUNT must be 1 to 1,000,000,000"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY;COUNT=two", 5, "COUNT must be 1 to 1,000,000,000"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY;COUNT=1,2", 5, "COUNT must be one value"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY,YEARLY", 5, "FREQ must be one value"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY;UNTIL=20240103,20250103", 5, "UNTIL must be one value"),
        (WHOLE_DAY + "RRULE:FREQ=WEEKLY;WKST=MO,SU", 5, "WKST must be one value"),
        (WHOLE_DAY + "RRULE:FREQ=YEARLY;COUNT=3;freq=DAILY", 5, "FREQ is given twice: leave out one"),
        (WHOLE_DAY + "RRULE:FREQ=YEARLY;BYMONTH=1;BYMONTH=2", 5, "BYMONTH is given twice"),
        (WHOLE_DAY + "RRULE:FREQ=MONTHLY;BYDAY=MO,0MO", 5, "BYDAY counts days from 1 to 53"),
        (WHOLE_DAY + "RRULE:FREQ=YEARLY;BYDAY=-54MO", 5, "BYDAY counts days from 1 to 53"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY;INTERVAL=1001", 5, "INTERVAL must be 1 to 1,000"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY;INTERVAL=99999999999", 5, "INTERVAL must be 1 to 1,000"),
        (WHOLE_DAY + "RRULE:FREQ=YEARLY;BYMONTHDAY=99999999999", 5, "BYMONTHDAY must be -31 to 31, and not 0"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY;COUNT=2;UNTIL=20240103", 5, "either COUNT or UNTIL"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY;BYHOUR=9", 5, "BYHOUR is not read"),
        (WHOLE_DAY + "RRULE:FREQ=YEARLY;BYWEEKNO=1", 5, "BYWEEKNO is not read"),
        (WHOLE_DAY + "RRULE:FREQ=YEARLY;BYMONTH=13", 5, "BYMONTH must be 1 to 12"),
        (WHOLE_DAY + "RRULE:FREQ=WEEKLY;BYDAY=1MO", 5, "write MO"),
        (WHOLE_DAY + "RRULE:FREQ=WEEKLY;BYMONTHDAY=1", 5, "no meaning"),
        (WHOLE_DAY + "RRULE:every year", 5, "FREQ"),
        (WHOLE_DAY + "RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", 6, "one rule"),
        (WHOLE_DAY + "RDATE;VALUE=PERIOD:20240101T000000/PT1H", 5, "write an event for each"),
        (WHOLE_DAY + "EXDATE:tomorrow", 5, "write 20241224"),
        (WHOLE_DAY + "EXRULE:FREQ=DAILY", 5, "as EXDATE"),
        (WHOLE_DAY + "RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20240101", 5, "UNTIL"),
        (WHOLE_DAY + "RRULE", 5, "NAME;PARAMETER=VALUE:VALUE"),
        (WHOLE_DAY + "END:VALARM", 5, "another component"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(event: str, line: int, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        dates(event)
    assert refused.value.field == f"line {line}"
    assert str(refused.value).startswith(f"line {line}: ")
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "empty"),
        (b"store_id,date\n", "BEGIN:VCALENDAR"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20241225\r\n", "cut off"),
        (b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "no events"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:\xff\r\n", "UTF-8"),
    ],
)
def test_what_is_not_icalendar(body: bytes, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        parse_icalendar(body, TODAY)


def test_a_date_that_is_closed_and_open() -> None:
    with pytest.raises(InvalidRequest, match=r"line 7: 2024-12-24 has opening hours here, .* line 4"):
        dates("DTSTART;VALUE=DATE:20241224", "DTSTART:20241224T100000\nDURATION:PT4H")


NEVER = "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"


@pytest.mark.parametrize(
    "body",
    [
        calendar(*[f"{WHOLE_DAY}RRULE:FREQ=DAILY"] * 950),
        calendar(*[f"{WHOLE_DAY}{NEVER}"] * 950),
        calendar(*[f"DTSTART;VALUE=DATE:19000101\n{NEVER};INTERVAL=999"] * 950),
        calendar(*[WHOLE_DAY.strip()] * 200_000),
        calendar(*[f"{WHOLE_DAY}DTEND;VALUE=DATE:21240101"] * 9_500),
        calendar(f"{WHOLE_DAY}EXDATE;VALUE=DATE:{','.join(['20240102'] * 28_000)}"),
        calendar(head=NEW_YORK * 10_000),
        calendar(head="BEGIN:X\n" * 1_000_000),
        calendar(f"{WHOLE_DAY}SUMMARY:{'x' * (9 << 20)}"),
        calendar(WHOLE_DAY.strip(), head="\n" * (5 << 20)),
        calendar("DTSTART:" + "20240101" * (1 << 20)),
        calendar(f"{WHOLE_DAY}RDATE;VALUE=DATE:" + "\n ,20240101" * 800_000),
    ],
    ids=["daily", "never", "never since 1900", "events", "centuries", "dropped", "zones", "depth", "text", "lines",
         "value", "folded"],
)  # fmt: skip
def test_no_file_of_ten_megabytes_costs_more_than_seconds(body: bytes) -> None:
    assert len(body) <= 12 << 20
    began = time.process_time()
    with suppress(InvalidRequest):
        assert len(parse_icalendar(body, TODAY).dates) <= 10_000
    # Each takes less than 4 s on one core; a library that expands every recurrence takes hours.
    assert time.process_time() - began < 30


def test_a_long_file_costs_little_memory() -> None:
    body = calendar(WHOLE_DAY.strip(), head="\n" * (1 << 19))
    tracemalloc.start()
    try:
        parse_icalendar(body, TODAY)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < len(body) // 2
