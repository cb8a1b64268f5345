"""The registry of how values may be written: examples with what they are read as. The docs show them, tests parse them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.ingest.parse.days import DAY_NAMES
from services.ingest.parse.header_fields import SEPARATORS
from services.ingest.parse.reading import PLAIN, Reading
from shared.row_reasons import ROW_REASONS


@dataclass(frozen=True)
class Form:
    """One value as written. `read_as` is the value stored, or a code of `ROW_REASONS` if the row is rejected.

    `header` names the column where that matters.
    """

    written: str
    read_as: str
    reading: Reading = field(default=PLAIN)
    header: str = ""

    @property
    def is_rejected(self) -> bool:
        return self.read_as in ROW_REASONS


_AT: Final = "2024-10-14T09:00:00Z"
_EXACT: Final = "2024-10-14T23:55:18.727055Z"
_WORDS: Final = Reading.parse("online=active,offline=inactive")
_NUMBERS: Final = Reading.parse("1=active,0=inactive")
_UTC: Final = Reading.parse(assume_utc=True)

STATUSES: Final[Sequence[Form]] = (
    Form("active", "active"),
    Form("Inactive", "inactive"),
    Form(" ACTIVE ", "active"),
    Form("active\u00a0", "active"),
    Form("online", "status"),
    Form("online", "active", _WORDS),
    Form(" Offline", "inactive", _WORDS),
    Form("0", "inactive", _NUMBERS),
    Form("maintenance", "status", _WORDS),
)
INSTANTS: Final[Sequence[Form]] = (
    Form("2024-10-14 23:55:18.727055 UTC", _EXACT),
    Form("2024-10-14T23:55:18.727055Z", _EXACT),
    Form("2024-10-14 18:55:18.727055-05:00", _EXACT),
    Form("2024-10-15 05:25:18.727055+0530", _EXACT),
    Form("2024-10-14 23:55:18.727055999 utc", _EXACT),
    Form("2024-10-14 09:00:00 GMT", _AT),
    Form("2024-10-14t09:00z", _AT),
    Form("2024-10-14 11:00+02", _AT),
    Form("2024-10-14 09:00:00", _AT, header="timestamp_utc"),
    Form("2024-10-14 09:00:00", "tz_missing", header="timestamp"),
    Form("2024-10-14 09:00:00", _AT, _UTC, header="timestamp"),
    Form("2024-10-14", "timestamp"),
    Form("2024-10-14 09:00:00 EST", "timestamp"),
    Form("10/14/2024 9:00", "timestamp"),
    Form("1728896400", "timestamp"),
    Form("1999-12-31 23:59:59Z", "timestamp_range"),
)
_US: Final = "%m/%d/%Y %H:%M"
FORMATTED: Final[Sequence[Form]] = (
    Form("10/14/2024 9:00", _AT, Reading.parse(date_format=_US)),
    Form("14.10.2024 9:00", "date_format", Reading.parse(date_format=_US)),
    Form(_AT, "date_format", Reading.parse(date_format=_US)),
    Form("10/14/2024 9:00", "tz_missing", Reading.parse(date_format=_US), header="timestamp"),
    Form("14.10.2024 09:00:00", _AT, Reading.parse(date_format="%d.%m.%Y %H:%M:%S")),
    Form("14/10/24 11:00 +0200", _AT, Reading.parse(date_format="%d/%m/%y %H:%M %z"), header="timestamp"),
    Form("Oct 14 2024 9:00AM", _AT, Reading.parse(date_format="%b %d %Y %I:%M%p")),
    Form(
        "14 october 2024, 11:55:18.727055 p.m.", _EXACT, Reading.parse(date_format="%d %B %Y, %I:%M:%S.%f %p")
    ),
    Form("20241014T090000Z", _AT, Reading.parse(date_format="%Y%m%dT%H%M%SZ"), header="timestamp"),
    Form("02/30/2024 9:00", "date_format", Reading.parse(date_format=_US)),
)
DAYS: Final[Sequence[Form]] = (
    *(Form(str(day), DAY_NAMES[day]) for day in range(len(DAY_NAMES))),
    *(Form(name.capitalize(), name) for name in DAY_NAMES),
    *(Form(name[:3].upper(), name) for name in DAY_NAMES),
    Form("8", "day"),
    Form("Montag", "day"),
    Form("Thurs", "day"),
)
OPENINGS: Final[Sequence[Form]] = (
    *(Form(text, "09:00:00") for text in ("09:00", "9:00", "09:00:00", "9.00", "9:00 AM", "9:00am")),
    Form("9:30 PM", "21:30:00"),
    Form("12:00 AM", "00:00:00"),
    Form("9.50", "decimal_hours"),
    Form("24:00", "time"),
    Form("9", "time"),
    Form("9 AM", "time"),
    Form("13:00 PM", "time"),
)
CLOSINGS: Final[Sequence[Form]] = (
    Form("21:00", "21:00:00"),
    Form("24:00", "00:00:00"),
    Form("24:00:00", "00:00:00"),
    Form("24:01", "time"),
)
DATES: Final[Sequence[Form]] = (
    Form("2024-12-25", "2024-12-25"),
    Form(" 2024-02-29 ", "2024-02-29"),
    *(Form(text, "date") for text in ("2024-2-5", "12/25/2024", "25.12.2024", "2024-02-30", "1999-12-31")),
)
ZONES: Final[Sequence[Form]] = (
    *(
        Form(text, "America/New_York")
        for text in ("America/New_York", "america/new york", "Eastern Standard Time")
    ),
    Form("us/eastern", "US/Eastern"),
    Form("UTC", "UTC"),
    Form("EST", "EST"),
    Form("Etc/GMT+5", "Etc/GMT+5"),
    *(Form(text, "timezone") for text in ("PST", "New York", "UTC-5", "GMT+2", "+02:00", "EST5")),
    *(
        Form(text, "timezone_of_machine")
        for text in ("localtime", "Factory", "posixrules", "posix/UTC", "right/UTC")
    ),
)
SEPARATOR_NAMES: Final[Mapping[str, str]] = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
assert set(SEPARATOR_NAMES) == set(SEPARATORS)  # noqa: S101 - the page lists them all
