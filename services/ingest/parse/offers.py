"""Says how rejected polls could be read: which option of the command, and which parameter of an upload."""

import re
import shlex
from collections import Counter
from collections.abc import Sequence

from services.ingest.parse.date_guesses import Guess, guess_formats, has_date_and_time
from services.ingest.parse.fields import split_line
from services.ingest.parse.header import Layout
from services.ingest.parse.instants import parse_instant
from services.ingest.parse.reasons import Reject
from services.ingest.parse.telling_names import find_zone_column
from shared.status_words import fold_status, format_status_words
from shared.texts import quoted

OFFERED_REASONS = ("status", "timestamp", "tz_missing")
_STATUS, _TIMESTAMP = 1, 2
_MOST_WORDS = 8
# PST, UTC+2 or Europe/Berlin after a time; UTC alone is clear, so that something else is wrong.
_ZONE_NAME = re.compile(
    r":[0-9.,]+ ?(?:(?!(?:[AP]M|UTC|GMT|Z)(?: |$))[A-Z]{2,5}(?:[+-][0-9:]{1,5})?|[A-Z_]+/[A-Z_/]+) *$",
    re.IGNORECASE,
)
_HEADER_WORD = "status"  # a header in the middle: files were joined
_NOTHING = frozenset({"n/a", "na", "nan", "nil", "none", "null", "undefined"})  # the poll has no status
_MEANINGS = {True: "active", False: "inactive", None: "…"}
_ACTIVE = frozenset(
    [
        "1",
        "alive",
        "available",
        "enabled",
        "healthy",
        "ok",
        "on",
        "online",
        "open",
        "opened",
        "reachable",
        "running",
        "t",
        "true",
        "up",
        "y",
        "yes",
    ]
)
_INACTIVE = frozenset(
    [
        "0",
        "closed",
        "dead",
        "disabled",
        "down",
        "error",
        "f",
        "fail",
        "failed",
        "false",
        "n",
        "no",
        "off",
        "offline",
        "stopped",
        "unavailable",
        "unhealthy",
        "unreachable",
    ]
)


def offer_fixes(rejects: Sequence[Reject], layout: Layout) -> list[str]:
    """Return a sentence for each kind of value that an option would read. `layout` is that of a polls file."""
    if layout.kind != "polls":
        return []
    values: dict[str, list[str]] = {reason: [] for reason in OFFERED_REASONS}
    for reject in rejects:
        if reject.reason in values and isinstance(fields := split_line(reject.raw, layout), list):
            status, timestamp = (fields[column].decode() for column in (_STATUS, _TIMESTAMP))
            # A line with words and a number below the table has no time.
            if reject.reason != "status":
                values[reject.reason].append(timestamp)
            elif timestamp.strip(" "):
                values["status"].append(status)
    offers = (
        _offer_words(values["status"]),
        _offer_format(values["timestamp"], layout),
        _offer_utc(values["tz_missing"], find_zone_column(layout.unread)),
    )
    return [offer for offer in offers if offer]


def _offer_words(values: Sequence[str]) -> str:
    times = [value for value in values if _is_time(value)]
    if len(times) * 2 > len(values):
        return (
            f"The status is written as {times[0].strip(' ')!r}, which is a time: the columns status and timestamp_utc may be"
            " swapped. Correct the header."
        )
    values = [value for value in values if not _is_time(value)]
    words = [word for word, _ in Counter(map(fold_status, values)).most_common(_MOST_WORDS)]
    mappable = [word for word in words if _is_mappable(word)]
    if not mappable:
        return ""
    known = {word: word in _ACTIVE for word in mappable if word in _ACTIVE | _INACTIVE}
    found = ", ".join(map(repr, mappable))
    if len(known) < len(mappable):
        mapping = ",".join(f"{word}={_MEANINGS[known.get(word)]}" for word in mappable)
        return (
            f"The status is written as {found}: say what each word means, with active or inactive in place of …:"
            f" --status {shlex.quote(mapping)} (uploads: ?status=; always: UPTILL_STATUS_WORDS)."
        )
    return (
        f"The status is written as {found}: load the file with --status {shlex.quote(format_status_words(known))} if that"
        " is what the words mean (uploads: ?status=; always: UPTILL_STATUS_WORDS)."
    )


def _is_time(text: str) -> bool:
    return parse_instant(text) != "timestamp" or has_date_and_time(text)


def _is_mappable(word: str) -> bool:
    return bool(word) and word not in {_HEADER_WORD, *_NOTHING} and not {",", "="} & {*word}


def _offer_utc(values: Sequence[str], zone_column: str | None) -> str:
    if not values:
        return ""
    example, uploads = values[0].strip(" "), "(uploads: ?assume_utc=true)"
    if zone_column:
        return (
            f"Timestamps such as {example!r} name no time zone, and the column {quoted(zone_column)} is not read: write the"
            f" offset into each timestamp, such as -08:00, or, if they are UTC, load the file with --assume-utc {uploads}."
        )
    return (
        f"Timestamps such as {example!r} name no time zone: if they are UTC, load the file with --assume-utc {uploads}, or name"
        " the column timestamp_utc."
    )


def _offer_format(values: Sequence[str], layout: Layout) -> str:
    numbers = sum(value.strip(" ").replace(".", "", 1).isdecimal() for value in values)
    if numbers * 2 > len(values):
        return (
            f"Timestamps such as {values[0].strip(' ')!r} look like seconds since 1970 or a spreadsheet's day numbers, which"
            " are not read: export them as dates with times."
        )
    if guess := guess_formats(values):
        return _describe_guess(guess, layout)
    named = [value for value in values if _ZONE_NAME.search(value)]
    if len(named) * 2 <= len(values):
        return ""
    return (
        f"Timestamps such as {named[0].strip(' ')!r} end in the name of a zone, and several zones share such names: write UTC, or"
        " the offset, such as -08:00."
    )


def _describe_guess(guess: Guess, layout: Layout) -> str:
    if not guess.has_time:
        return f"Timestamps such as {guess.example!r} have no time of day, so they name no instant: export them with times."
    if guess.other:
        return (
            f"Timestamps are written in several forms, such as {guess.example!r} and {guess.other!r}, and --date-format reads"
            " only one: write all of them in one form."
        )
    options = [f"--date-format {shlex.quote(text)}" for text in guess.formats]
    needs_zone = not layout.is_utc and not any("%z" in text for text in guess.formats)
    utc = ", and with --assume-utc if they are UTC" if needs_zone else ""
    upload = f"(uploads: ?date_format={'&assume_utc=true' if needs_zone else ''})"
    if not options:
        return (
            f"No format reads all timestamps such as {guess.example!r}: they differ in the order of day and month, do not"
            " exist, or name months in another language than English."
        )
    if len(options) == 1:
        return f"Timestamps are written as {guess.example!r}: load the file with {options[0]}{utc} {upload}."
    return (
        f"Timestamps are written as {guess.example!r}. No value tells which number is the day and which the month, as none"
        f" rules out the other reading: load the file with {' or with '.join(options)}{utc} {upload}."
    )
