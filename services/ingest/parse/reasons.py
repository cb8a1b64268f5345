"""The registry of reasons for rejecting a row or refusing a file. Codes are stored and public; the docs list them."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.ingest.parse.file_formats import formats_reference
from shared.reject_advice import ADVICE
from shared.row_reasons import ROW_REASONS

BROKEN_ROW_REASONS = frozenset(
    {"columns", "quoting", "text_mark", "encoding", "control_character", "line_too_long"}
)

FILE_REASONS = {
    "io": "the file does not exist, cannot be read, or is a folder, a pipe or a device",
    "empty_file": "the file is empty",
    "encoding": "the file is not UTF-8 text",
    "magic": "the file is not CSV: its first bytes are those of [another format](#other-formats)",
    "header": "the first line is not the header of a known kind of file (polls, hours, time zones, lifetimes, special hours, closures, store directories)",
    "line_ends": "a line ends in CR CR LF, or a CR without LF stands outside quotes, so the file does not show where its rows end",
    "day_numbers": "the days of the week are numbered both from 0 and from 1, or some have numbers and others names, or the file has neither day 0 nor day 7, and the other files of its delivery differ",
    "date_order": "some rows fit only a date format with day, month and year in another order, so the given format would read other rows as wrong dates; correct the format",
    "truncated": "the archive is cut off",
    "damaged": "the archive cannot be unpacked: it is damaged, encrypted or packed with a method other than deflate, or other bytes follow the end of the gzip data; the message says which",
    "ratio": "the archive unpacks to more than 200 times its size, or has more than 1,000 members",
    "name": "a file name in the archive is longer than 255 characters or 1 KB, or contains control characters; or several files in it have this name",
    "members": "the upload has more than 1,000 files, counting those in archives",
    "scope": "the file declares closures, and the key that sent it may not: single stores need the scope closures:write, every store (*) needs admin",
    "blank_lines": "more than a million lines of a chunk are blank, or the first 64 KB of the file; send it without these lines",
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
    """One rejected row: its line (from 1), the byte it starts at, a code of `ROW_REASONS`, and its text.

    `source` is set if it is not the import's: the message that the row comes from.
    """

    line: int
    byte_offset: int
    reason: str
    raw: bytes
    source: str | None = None


def reasons_reference() -> str:
    """Return the page `docs/reference/reject-reasons.md`."""
    return "\n".join(
        [
            "# Why a row is rejected, or a file refused",
            "",
            "A rejected row is not loaded; all other rows are. The first 100,000 of an import are listed, each with its line",
            f"(counted from 1), the byte it starts at, the reason, and the first {RAW_BYTES} bytes of its text. Others are counted.",
            "",
            "All files except polls take effect for a store completely or not at all: if one of its rows is rejected, the store",
            "keeps what it had, and its other rows are rejected as `store_incomplete`.",
            "",
            *_format_table(ROW_REASONS),
            "",
            "## Items of hooks",
            "",
            "The mapping is that of the [hook](../how-to/webhooks-in.md). All other reasons are those above.",
            "",
            *_format_table(ADVICE["hook"]),
            "",
            "## Messages of Kafka",
            "",
            "Settings are those of the [consumer](../how-to/kafka.md). All other reasons are those above.",
            "",
            *_format_table(ADVICE["kafka"]),
            "",
            "## Refused files",
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


def _format_table(reasons: Mapping[str, str]) -> list[str]:
    return [
        "| reason | meaning |",
        "|---|---|",
        *(f"| `{code}` | {text} |" for code, text in reasons.items()),
    ]
