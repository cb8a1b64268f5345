"""iCalendar files as text, and the dates that are read from them."""

from datetime import date

from services.ingest.parse.ical_dates import parse_icalendar

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


WHOLE_DAY = "DTSTART;VALUE=DATE:20240101\n"
