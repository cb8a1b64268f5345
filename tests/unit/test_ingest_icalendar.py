"""iCalendar files become dates: what is read, what is refused with its line, and that no file costs more than its size."""

import time
import tracemalloc
from contextlib import suppress

import pytest

from services.ingest.parse.ical_dates import parse_icalendar
from shared.errors import InvalidRequest
from tests.unit.ical_text import NEW_YORK, TODAY, WHOLE_DAY, calendar, dates


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


def test_folded_lines_alarms_and_other_components_are_read_as_written() -> None:
    body = (
        b"\xef\xbb\xbfBEGIN:VCALENDAR\nBEGIN:VTODO\nDTSTART:20200101T000000\nEND:VTODO\nBEGIN:VEVENT\n"
        b"SUMMARY:caf\xc3\n \xa9\ndtstart;value=da\n te:2024\n\t1225\n"
        b"BEGIN:VALARM\nDTSTART:20200101T000000\nDURATION:PT5M\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    assert list(map(str, parse_icalendar(body, TODAY).dates)) == ["2024-12-25"]


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
