"""The files of the catalogue: bad and unusual input, one file a case, and what becomes of it."""

import gzip
import io
import os
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

POLLS = b"store_id,status,timestamp_utc"
LOOSE_POLLS = b"store_id,status,timestamp"
HOURS = b"store_id,dayOfWeek,start_time_local,end_time_local"
ZONES = b"store_id,timezone_str"
AT = b"2024-10-14 23:55:18.727055 UTC"
ROW = b"g,active," + AT
MEGABYTES = 1 << 20


def soon(minutes: int) -> bytes:
    return f"{datetime.now(UTC) + timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S} UTC".encode()


# Rejected rows: the header of their file, the row, the reason.
ROWS: Mapping[str, tuple[bytes, bytes, str]] = {
    "too-few-columns": (POLLS, b"a,active", "columns"),
    "too-many-columns": (POLLS, b"a,active," + AT + b",x", "columns"),
    "semicolons-in-a-row": (POLLS, b"a;active;" + AT, "columns"),
    "unterminated-quote": (POLLS, b'"a,active,' + AT, "quoting"),
    "text-after-quote": (POLLS, b'"a"b,active,' + AT, "quoting"),
    "quote-in-a-field": (POLLS, b'a"b,active,' + AT, "quoting"),
    "not-utf8-in-the-status": (POLLS, b"a,activ\xe9," + AT, "encoding"),
    "nul": (POLLS, b"a\0,active," + AT, "control_character"),
    "escape": (POLLS, b"\x1b[2J,active," + AT, "control_character"),
    "tab": (POLLS, b"a\tb,active," + AT, "control_character"),
    "return-in-quotes": (POLLS, b'"a\rb",active,' + AT, "control_character"),
    "long-line": (POLLS, b"x" * (3 * MEGABYTES) + b",active," + AT, "line_too_long"),
    "empty-id": (POLLS, b",active," + AT, "no_id"),
    "blank-id": (POLLS, b"  ,active," + AT, "no_id"),
    "long-id": (POLLS, b"x" * 1025 + b",active," + AT, "store_id"),
    "odd-id": (POLLS, b"1.23E+17,active," + AT, "odd_id"),
    "status": (POLLS, b"a,open," + AT, "status"),
    "status-empty": (POLLS, b"a,," + AT, "status"),
    "no-zone": (LOOSE_POLLS, b"a,active,2024-10-14 23:55:18.727055", "tz_missing"),
    "zone-name": (POLLS, b"a,active,2024-10-14 23:55:18 EST", "timestamp"),
    "now": (POLLS, b"a,active,now", "timestamp"),
    "infinity": (POLLS, b"a,active,infinity", "timestamp"),
    "epoch": (POLLS, b"a,active,1728950118", "timestamp"),
    "hour-24": (POLLS, b"a,active,2024-10-14 24:00:00 UTC", "timestamp"),
    "second-60": (POLLS, b"a,active,2024-10-14 23:59:60 UTC", "timestamp"),
    "february-30": (POLLS, b"a,active,2024-02-30 12:00:00 UTC", "timestamp"),
    "slashes": (POLLS, b"a,active,01/02/2023", "timestamp"),
    "offset-24": (POLLS, b"a,active,2024-10-14 23:55:18+24:00", "timestamp"),
    "year-1999": (POLLS, b"a,active,1999-12-31 23:59:59 UTC", "timestamp_range"),
    "year-2101": (POLLS, b"a,active,2101-01-01 00:00:00 UTC", "timestamp_range"),
    "future": (POLLS, b"a,active," + soon(60), "future"),
    "day-8": (HOURS, b"a,8,09:00:00,17:00:00", "day"),
    "day-name": (HOURS, b"a,Lundi,09:00:00,17:00:00", "day"),
    "time-24": (HOURS, b"a,0,24:00:00,17:00:00", "time"),
    "time-minutes": (HOURS, b"a,0,09:60:00,17:00:00", "time"),
    "time-words": (HOURS, b"a,0,9am,5pm", "time"),
    "zone-unknown": (ZONES, b"known,America/Atlantis", "timezone"),
    "zone-abbreviated": (ZONES, b"known,CT", "timezone"),
    "zone-of-the-machine": (ZONES, b"known,localtime", "timezone_of_machine"),
}

# Accepted files and how many of their rows are.
ACCEPTED: Mapping[str, tuple[bytes, int]] = {
    "header-only": (POLLS, 0),
    "header-order-case-spaces": (b" Timestamp UTC ,STATUS,Store_ID\n" + AT + b",active,a\n", 1),
    "byte-order-mark": (b"\xef\xbb\xbf" + POLLS + b"\n" + ROW, 1),
    "crlf": (POLLS + b"\r\n" + ROW + b"\r\n", 1),
    "mixed-newlines-blank-lines": (b"\n" + POLLS + b"\n\r\n\n" + ROW + b"\r\n\n", 1),
    "no-final-newline": (POLLS + b"\n" + ROW, 1),
    "quoted": (POLLS + b'\n"a,""b""",active,"' + AT + b'"\n', 1),
    "id-of-1-kb": (POLLS + b"\n" + b"x" * 1024 + b",active," + AT, 1),
    "not-utf8-in-the-id": (POLLS + b"\ncaf\xe9,active," + AT, 1),
    "leading-zeros": (POLLS + b"\n007,active," + AT + b"\n7,active," + AT, 2),
    "status-case-and-spaces": (POLLS + b"\na, Active ," + AT + b"\nb,INACTIVE," + AT, 2),
    "no-zone-in-a-utc-column": (POLLS + b"\na,active,2024-10-14 23:55:18", 1),
    "spelled-z": (POLLS + b"\na,active,2024-10-14T23:55:18Z", 1),
    "spelled-offset": (
        POLLS + b"\na,active,2024-10-14 18:55:18.7-05:00\nb,active,2024-10-15 05:25:18+0530",
        2,
    ),
    "fraction-of-9-digits": (POLLS + b"\na,active,2024-10-14 23:55:18.727055999 UTC", 1),
    "4-minutes-ahead": (POLLS + b"\na,active," + soon(4), 1),
    "out-of-order": (POLLS + b"\na,active,2024-10-14 23:55:18 UTC\na,active,2024-10-14 22:55:18 UTC", 2),
    "hours-awkward": (
        HOURS
        + b"\na,0,09:00:00,17:00:00\na,0,10:00:00,12:00:00\na,1,22:00:00,02:00:00\na,2,00:00:00,00:00:00\n"
        b"a,3,09:00,11:59:59\na,3,12:00,23:59:59\n",
        6,
    ),
    "zones": (ZONES + b"\nknown,America/Chicago", 1),
    "formula": (POLLS + b"\n=cmd|' /C calc'!A0,active," + AT, 1),
    "script": (POLLS + b"\n<script>alert(1)</script>,active," + AT, 1),
    "sql": (POLLS + b"\n'; drop table store; --,active," + AT, 1),
}

# Refused files: the content, the reason, what the message says.
REFUSED: Mapping[str, tuple[bytes, str, str]] = {
    "empty": (b"", "empty_file", "empty"),
    "only-blank-lines": (b"\n \r\n", "empty_file", "empty"),
    "no-header": (ROW + b"\n", "header", "It must name"),
    "unknown-header": (b"shop,up,when\n", "header", "shop,up,when"),
    "column-twice": (b"store_id,status,status,timestamp_utc\n", "header", "status twice"),
    "two-kinds": (POLLS + b",timezone\n", "header", "more than one kind"),
    "lines-end-in-cr": (POLLS + b"\r" + ROW + b"\r", "line_ends", "LF or CRLF"),
    "lone-return": (POLLS + b"\na\rb,active," + AT + b"\n", "line_ends", "line 2 has a CR without LF"),
    "utf-16": ((POLLS + b"\n").decode().encode("utf-16"), "encoding", "UTF-8"),
    "latin-1-header": ("störe_id,status,timestamp_utc\n".encode("latin-1"), "encoding", "UTF-8"),
    "two-separators": (POLLS.replace(b",", b";", 1) + b"\n", "header", "It must name"),
    "parquet": (b"PAR1\x15\x04rest", "magic", "Parquet"),
    "zip-named-csv": (b"", "magic", "zip"),  # content below
    "lfs-pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "magic", "git lfs pull"),
    "tar": (b"polls.csv".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0"), "magic", "tar archive"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "magic", "xls"),
}


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def polls(rows: int, store: str) -> bytes:
    lines = (
        f"{store}-{row % 97},active,2024-09-{1 + row % 28:02} {row // 28 % 24:02}:{row // 672 % 60:02}:"
        f"{row // 40_320 % 60:02}.{row:06} UTC\n"
        for row in range(rows)
    )
    return POLLS + b"\n" + "".join(lines).encode()


def special_files(folder: Path) -> None:
    """Write the cases that are more than a file with some bytes."""
    (folder / "refused-zip-named-csv.csv").write_bytes(zip_of({"a.csv": POLLS}))
    (folder / "gzip-named-csv.csv").write_bytes(gzip.compress(POLLS + b"\nzipped,active," + AT))
    (folder / "members.csv.gz").write_bytes(
        gzip.compress(POLLS + b"\nmember-1,act") + gzip.compress(b"ive," + AT + b"\nmember-2,active," + AT)
    )
    (folder / "truncated.csv.gz").write_bytes(gzip.compress(polls(150_000, "truncated"))[:-20])
    (folder / "bomb.csv.gz").write_bytes(gzip.compress(POLLS + b"\n" + bytes(100 * MEGABYTES)))
    (folder / "bomb.zip").write_bytes(zip_of({"bomb.csv": POLLS + b"\n" + bytes(100 * MEGABYTES)}))
    (folder / "members.zip").write_bytes(zip_of({f"{number}.csv": b"" for number in range(1001)}))
    (folder / "cut.zip").write_bytes(zip_of({"a.csv": polls(100, "cut")})[:-30])
    (folder / "xlsx.zip").write_bytes(zip_of({"[Content_Types].xml": b"<Types/>", "a.csv": POLLS}))
    (folder / "no-csv.zip").write_bytes(zip_of({"readme.txt": b"nothing"}))
    (folder / "bzip2.zip").write_bytes(zip_of({"a.csv": POLLS}, zipfile.ZIP_BZIP2))
    inner = zip_of({"a.csv": POLLS})
    (folder / "nested.zip").write_bytes(zip_of({"inner.csv": inner}, zipfile.ZIP_STORED))
    (folder / "nested-by-name.zip").write_bytes(zip_of({"inner.zip": inner}))
    (folder / "xlsx-named-csv.csv").write_bytes(zip_of({"[Content_Types].xml": b"<Types/>"}))
    flipped = bytearray(zip_of({"a.csv": polls(100, "flipped")}, zipfile.ZIP_STORED))
    flipped[500] ^= 1
    (folder / "flipped.zip").write_bytes(flipped)
    half = b"a,open," + AT + b"\n"
    (folder / "bad-from-the-start.csv").write_bytes(polls(49, "bad-start") + half * 51)
    (folder / "bad-later.csv").write_bytes(polls(120_000, "bad-later") + half * 300_000)


def special_places(folder: Path) -> None:
    """Write the cases that only a folder can hold."""
    (folder / "line\nbreak.csv").write_bytes(b"shop\n")
    (folder / "folder.csv").mkdir()
    os.mkfifo(folder / "fifo.csv")
    (folder / "dangling.csv").symlink_to("nowhere.csv")
    outside = folder.parent / "outside.csv"
    outside.write_bytes(polls(10, "outside"))
    (folder / "outside.csv").symlink_to(outside)
    (folder / "device.csv").symlink_to("/dev/zero")


def write_catalogue(folder: Path) -> None:
    folder.mkdir()
    for name, (header, row, _) in ROWS.items():
        good = {
            POLLS: b",active," + AT,
            LOOSE_POLLS: b",active," + AT,
            HOURS: b",0,09:00:00,17:00:00",
            ZONES: b",America/Denver",
        }[header]
        before, after = b"row-" + name.encode() + good, b"row2-" + name.encode() + good
        (folder / f"row-{name}.csv").write_bytes(b"\n".join([header, before, row, after]))
    for name, (content, _) in ACCEPTED.items():
        store = b"\n" + name.encode() + b","  # one of its own
        own = content.replace(b"\na,", store).replace(b"\ng,", store)
        (folder / f"accepted-{name}.csv").write_bytes(own)
    for name, (content, *_) in REFUSED.items():
        (folder / f"refused-{name}.csv").write_bytes(content)
    special_files(folder)
