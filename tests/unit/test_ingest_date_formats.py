"""Date formats: what they read, compared with strftime, and what is refused before anything is read."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.parse.date_formats import DateFormat
from shared.clock import from_us, to_us

AT = to_us(datetime(2024, 10, 14, 9, tzinfo=UTC))


def read(text: str, *values: str) -> list[int | str]:
    decoded = DateFormat.parse(text).decode(pl.Series(values, dtype=pl.String))
    return [decoded.faults.get(row, at) for row, at in enumerate(decoded.at_us.tolist())]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("%m/%d/%Y %H:%M", " 10/14/2024 9:00 "),
        ("%-m/%-d/%Y %-H:%M", "10/14/2024 09:00"),
        ("%d/%m/%Y %H:%M:%S", "14/10/2024   09:00:00"),
        ("%d.%m.%Y %H.%M", "14.10.2024 9.00"),
        ("%Y/%m/%d %R", "2024/10/14 09:00"),
        ("%b %d, %Y %I:%M %p", "oct 14, 2024 9:00 a.m."),
        ("%B %e %Y %I:%M%p", "OCTOBER 14 2024 09:00Am"),
        ("%d-%b-%y %T", "14-Oct-24 09:00:00"),
        ("%Y%m%d%H%M", "202410140900"),
        ("%Y%m%dT%H%M%SZ", "20241014t090000z"),
        ("%F %T%z", "2024-10-14 14:30:00+05:30"),
        ("%F %T %z", "2024-10-14 09:00:00 GMT"),
        ("%d/%m/%Y %H:%M UTC", "14/10/2024 09:00 utc"),
        ("%d %m %Y %I%p", "14 10 2024 9am"),
        ("%d/%m/%Y 100%% %H:%M", "14/10/2024 100% 9:00"),
    ],
)
def test_read(text: str, value: str) -> None:
    assert read(text, value) == [AT]


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("%m/%d/%Y %H:%M", "14/10/2024 9:00", "date_format"),
        ("%m/%d/%Y %H:%M", "02/30/2024 9:00", "date_format"),
        ("%m/%d/%Y %H:%M", "10/14/2024 24:00", "date_format"),
        ("%m/%d/%Y %H:%M", "10/14/2024 9:60", "date_format"),
        ("%m/%d/%Y %H:%M", "10/14/2024 9:00 PM", "date_format"),
        ("%m/%d/%Y %H:%M", "10/14/2024 9:00Z", "date_format"),
        ("%m/%d/%Y %H:%M", "10/14/24 9:00", "date_format"),
        ("%m/%d/%Y %H:%M", "0/14/2024 9:00", "date_format"),
        ("%m/%d/%Y %H:%M", "10/0/2024 9:00", "date_format"),
        ("%m/%d/%Y %H:%M", "\u0661\u0660/14/2024 9:00", "date_format"),
        ("%m/%d/%Y %H:%M", "", "date_format"),
        ("%m/%d/%Y %H:%M", "10/14/1999 9:00", "timestamp_range"),
        ("%d/%m/%y %H:%M", "14/10/69 9:00", "timestamp_range"),
        ("%d %b %Y %H:%M", "14 Okt 2024 9:00", "date_format"),
        ("%d/%m/%Y %I:%M %p", "14/10/2024 13:00 PM", "date_format"),
        ("%d/%m/%Y %I:%M %p", "14/10/2024 0:00 AM", "date_format"),
        ("%Y%m%d%H%M", "2024101490", "date_format"),
        ("%F %T", "2024-10-14 09:00:60", "date_format"),
        ("%F %T%z", "2024-10-14 09:00:00+24:00", "date_format"),
        ("%F %T%z", "2024-10-14 09:00:00", "date_format"),
    ],
)
def test_not_read(text: str, value: str, reason: str) -> None:
    assert read(text, value) == [reason]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no year"),
        ("%m/%d %H:%M", "no year"),
        ("%d/%Y %H:%M", "no month"),
        ("%m/%Y %H:%M", "no day"),
        ("%m/%d/%Y", "no time of day"),
        ("%m/%d/%Y %I:%M", "need each other"),
        ("%m/%d/%Y %H:%M %p", "need each other"),
        ("%m/%d/%Y %d %H:%M", "twice"),
        ("%m/%d/%Y %y %H:%M", "twice"),
        ("%m/%b/%d/%Y %H:%M", "twice"),
        ("%m/%d/%Y %H %S", "without the minute"),
        ("%m/%d/%Y %H:%M %Z", "%Z is not supported"),
        ("%m/%d/%Y %j %H:%M", "%j is not supported"),
        ("%s", "%s is not supported"),
        ("%m/%d/%Y %H:%M %", "lone %"),
        ("%m/%d/%Y %H:%M EST", "ends in 'EST'"),
        ("%m/%d/%Y %H:%M+02:00", "ends in '+02:00'"),
        ("%m/%d/%Y %H:%M\n", "cannot be printed"),
        ("MM/DD/YYYY HH:mm", "no year"),
    ],
)
def test_refused(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault.replace("+", r"\+")):
        DateFormat.parse(text)


@pytest.mark.parametrize(
    ("text", "names_zone"),
    [("%F %T", False), ("%F %T%z", True), ("%F %TZ", True), ("%F %T UTC", True), ("%F %T %p", None)],
)
def test_where_the_zone_comes_from(text: str, names_zone: bool | None) -> None:
    if names_zone is not None:
        assert DateFormat.parse(text).names_zone is names_zone


FORMATS = [
    "%m/%d/%Y %H:%M:%S.%f",
    "%d.%m.%Y %H:%M:%S.%f",
    "%b %d %Y %I:%M:%S.%f%p",
    "%Y%m%d%H%M%S.%f",
    "%d %B %y %H:%M:%S.%f %z",
]


INSTANTS = st.integers(to_us(datetime(2000, 1, 1, tzinfo=UTC)), to_us(datetime(2068, 12, 31, tzinfo=UTC)))


@given(st.sampled_from(FORMATS), INSTANTS, st.text(max_size=12))
def test_agrees_with_strftime(text: str, at_us: int, noise: str) -> None:
    assert read(text, noise, from_us(at_us).strftime(text))[1] == at_us


def test_long_fractions_are_cut_and_counted() -> None:
    decoded = DateFormat.parse("%F %T.%f").decode(
        pl.Series(["2024-10-14 09:00:00.0000019", "2024-10-14 09:00:00.1"])
    )
    assert decoded.at_us.tolist() == [AT + 1, AT + 100_000]
    assert decoded.cut == [0]
