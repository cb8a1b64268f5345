"""The registry of reasons: why a row is rejected or a file refused. Codes are stored and shown; the docs list them."""

from dataclasses import dataclass

ROW_REASONS = {
    "columns": "the row has not as many fields as the header",
    "quoting": "a quoted field does not end in its line, or a quote stands inside a field (RFC 4180)",
    "encoding": "the row is not valid UTF-8",
    "control_character": "the row holds a control character, or an invisible one such as those that turn text around",
    "line_too_long": "the line is longer than 64 KB",
    "store_id": "the store id is empty or longer than 1024 bytes",
    "status": "the status is neither active nor inactive",
    "timestamp": "the timestamp is not of the form 2024-10-14 23:55:18.727055 UTC, or no such instant exists",
    "tz_missing": "the timestamp names no time zone; append UTC, Z or an offset such as +00:00",
    "timestamp_range": "the year is outside 2000 to 2100",
    "future": "the poll is more than 5 minutes in the future by the database's clock",
    "day": "the day of the week is not 0 (Monday) to 6 (Sunday)",
    "time": "the time of day is not HH:MM:SS or HH:MM between 00:00:00 and 23:59:59",
    "timezone": "the name is no time zone of the IANA database",
}

FILE_REASONS = {
    "io": "the file is not there, may not be read, or is a folder, a pipe or a device",
    "empty_file": "the file is empty",
    "encoding": "the file is not UTF-8 text",
    "magic": "the file is no CSV: its first bytes are those of another format",
    "dialect": "the fields are not separated by commas",
    "header": "the first line is not the header of a polls, hours or time zones file",
    "truncated": "the archive ends before its end; what was committed before stays",
    "damaged": "the archive cannot be unpacked: it is damaged, encrypted or packed in an unknown way",
    "ratio": "the archive unpacks to more than 200 times its size, or has more than 1,000 members",
    "name": "the name of a file in the archive is longer than 255 characters or 1 KB, or holds control characters",
    "members": "the upload holds more than 1,000 files, those in archives included",
    "changed_during_read": "the file changed while it was read; what was committed before stays",
    "reject_threshold": "more rows of a chunk were rejected than the limit allows; what was committed before stays",
}

FAULT_REASONS = {
    "fault": "its process or its database failed; it goes on when it is loaded again, an upload by itself",
    "attempts": "5 attempts to load it failed without committing anything more; the log of the ingest service says why",
    "upload_lost": "the files of the upload were gone from the spool, or had changed, before they were loaded; send them again",
    "canceled": "it was canceled; what was committed before stays",
}

RAW_BYTES = 1024  # of a rejected line are kept


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that was not loaded: its line (1-based), the byte it starts at, a code of `ROW_REASONS`, its text."""

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
            "A rejected row is not loaded; all others are. It is kept with its line (the first line of the file is 1), the",
            f"byte it starts at, the reason and the first {RAW_BYTES} bytes of its text.",
            "",
            *_table(ROW_REASONS),
            "",
            "A refused file is not loaded, or not to its end.",
            "",
            *_table(FILE_REASONS),
            "",
            "An import may also end for a reason that is not in its file.",
            "",
            *_table(FAULT_REASONS),
            "",
        ]
    )


def _table(reasons: dict[str, str]) -> list[str]:
    return [
        "| reason | meaning |",
        "|---|---|",
        *(f"| `{code}` | {text} |" for code, text in reasons.items()),
    ]
