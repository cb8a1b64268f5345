"""The registry of reasons for rejecting a row or refusing a file. Codes are stored and public; the docs list them."""

from dataclasses import dataclass

from services.ingest.parse.file_formats import formats_reference
from shared.store_ids import ID_FAULTS

ROW_REASONS = {
    "columns": "the row does not have as many fields as the header",
    "unnamed_column": "the row has a value in a column without a name, so it is unclear what the value means; name the column in the header, or leave it empty (only a first column may hold row numbers)",
    "repeated_header": "the line is the header again, because several files were joined; the rows below it are read; remove the line, or load the files separately",
    "quoting": "a quoted field is not closed in its line, or a quote stands inside a field (RFC 4180)",
    "encoding": "the row is not UTF-8, and cannot be read as Windows-1252: other rows of the file are UTF-8, or such bytes stand in another column than the store id; or the row is UTF-8 in a file that is not; save the file as CSV UTF-8",
    "control_character": "the row contains a control character or an invisible character, such as one that reverses text",
    "line_too_long": "the line is longer than 64 KB",
    "store_id": ID_FAULTS["store_id"],
    "odd_id": ID_FAULTS["odd_id"],
    "status": "the status is neither active nor inactive; map other words with --status online=active,offline=inactive",
    "timestamp": "the timestamp does not have the form 2024-10-14 23:55:18.727055 UTC (year first, 24 hours), or the instant does not exist",
    "date_format": "the timestamp does not have the given date format, or the instant does not exist",
    "tz_missing": "the timestamp names no time zone; append UTC, Z or an offset such as +00:00",
    "timestamp_range": "the year is outside 2000 to 2100",
    "future": "the poll is more than 5 minutes in the future by the database's clock",
    "day": "the day of the week is neither 0 (Monday) to 6 (Sunday), nor 1 (Monday) to 7 (Sunday), nor an English name; names in other languages are not read, and each day needs a row of its own",
    "time": "the time of day does not have a form such as 09:00, 9:00:00, 9:00 AM or 9.00; only a closing time may be 24:00; a day of the week without a row is closed, and so is a special date without times",
    "half_of_day": "one of the two times has AM or PM, and the other has neither and may mean both; write both with AM or PM, or both with 24 hours",
    "timezone": "unknown time zone; use an IANA name such as America/New_York; abbreviations such as PST and offsets such as UTC-5 are not names of zones",
    "timezone_of_machine": "localtime, Factory, posixrules and names under posix/ and right/ mean something else on each machine; use an IANA name such as America/New_York",
    "date": "the date does not have the form 2024-12-25, does not exist, or is not in the years 2000 to 2100",
    "effective_from": "effective_from does not have the form 2024-12-25, does not exist, or is not in the years 2000 to 2100; leave it empty for hours without a date",
    "one_time": "only one of start_time_local and end_time_local is given; write both, or neither for a closed date",
    "closed_and_open": "the store has the date as closed and with opening hours; leave out one of them",
    "opened_at": "opened_at is not an instant with a time zone such as 2024-10-14T18:00:00Z, from 2000 to 2100; leave it empty if the store has always existed",
    "closed_at": "closed_at is not an instant with a time zone such as 2024-10-14T18:00:00Z, from 2000 to 2100; leave it empty if the store still exists",
    "lifetime_order": "closed_at is not after opened_at; swap or correct them",
    "starts_at": "starts_at is not an instant with a time zone such as 2024-10-14T18:00:00Z, from 2000 to 2100",
    "ends_at": "ends_at is not an instant with a time zone such as 2024-10-14T18:00:00Z, from 2000 to 2100; leave it empty if the end is unknown",
    "closure_order": "ends_at is not after starts_at; swap or correct them",
    "treatment": "the treatment is not exclude, as_up or ignore",
    "reason": "the reason is longer than 100 characters; put the details into the note",
    "note": "the note is longer than 2,000 characters; shorten it",
    "store_incomplete": "the row is valid, but another row of its store was rejected; correct that row and load all rows of the store again",
}

# The line could not be split into the fields of a row, so its store id is a guess.
BROKEN_ROW_REASONS = frozenset({"columns", "quoting", "encoding", "control_character", "line_too_long"})

FILE_REASONS = {
    "io": "the file does not exist, cannot be read, or is a folder, a pipe or a device",
    "empty_file": "the file is empty",
    "encoding": "the file is not UTF-8 text",
    "magic": "the file is not CSV: its first bytes are those of [another format](#other-formats)",
    "header": "the first line is not the header of a known kind of file (polls, hours, time zones, lifetimes, special hours, closures)",
    "line_ends": "a line ends in CR CR LF, or a CR without LF stands outside quotes, so the file does not show where its rows end",
    "day_numbers": "the days of the week are numbered both from 0 and from 1, or some have numbers and others names",
    "truncated": "the archive is cut off",
    "damaged": "the archive cannot be unpacked: it is damaged, encrypted or packed with a method other than deflate, or other bytes follow the end of the gzip data; the message says which",
    "ratio": "the archive unpacks to more than 200 times its size, or has more than 1,000 members",
    "name": "a file name in the archive is longer than 255 characters or 1 KB, or contains control characters",
    "members": "the upload has more than 1,000 files, counting those in archives",
    "changed_during_read": "the file changed while it was read",
    "reject_threshold": "more rows of a chunk were rejected than the limit allows",
}

FAULT_REASONS = {
    "fault": "its process or its database failed; load it again and it resumes (an upload resumes on its own)",
    "attempts": "5 attempts to load it failed without committing anything more; the log of the ingest service has the cause",
    "upload_lost": "the files of the upload disappeared from the spool, or were changed there, before they were loaded; send them again",
    "delivery_incomplete": "another file of its delivery was not loaded, so of the whole delivery only polls take effect; correct that file, or leave it out, and load all files of the delivery again",
    "canceled": "it was canceled; committed chunks stay",
}

RAW_BYTES = 1024  # kept of a rejected line


@dataclass(frozen=True, slots=True)
class Reject:
    """One rejected row: its line (from 1), the byte it starts at, a code of `ROW_REASONS`, and its text."""

    line: int
    byte_offset: int
    reason: str
    raw: bytes


def reasons_reference() -> str:
    """Return the page `docs/reference/reject-reasons.md`."""
    return "\n".join(
        [
            "# Why a row is rejected, or a file refused",
            "",
            "A rejected row is not loaded; all other rows are. It is stored with its line (counted from 1), the byte it starts",
            f"at, the reason, and the first {RAW_BYTES} bytes of its text.",
            "",
            "All files except polls take effect for a store completely or not at all: if one of its rows is rejected, the store",
            "keeps what it had, and its other rows are rejected as `store_incomplete`.",
            "",
            *_format_table(ROW_REASONS),
            "",
            "A refused file is not loaded. Of polls, the chunks that were committed before stay. If any other file of a delivery",
            "is refused, only the polls of the delivery take effect: the rest is `delivery_incomplete`.",
            "",
            *_format_table(FILE_REASONS),
            "",
            "## Other formats",
            "",
            "A file is recognised by its first bytes, whatever its name. The message names the format and what to do.",
            "",
            *formats_reference(),
            "",
            "## Faults",
            "",
            "An import can also fail for a reason that does not lie in its file.",
            "",
            *_format_table(FAULT_REASONS),
            "",
        ]
    )


def _format_table(reasons: dict[str, str]) -> list[str]:
    return [
        "| reason | meaning |",
        "|---|---|",
        *(f"| `{code}` | {text} |" for code, text in reasons.items()),
    ]
