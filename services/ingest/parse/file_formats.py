"""The registry of file formats that are not CSV: how each one starts, its name, and what to do. The docs list them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_SAVE_AS = "in the spreadsheet program, save each sheet as CSV UTF-8"
_EXPORT = "export the data as CSV UTF-8"
_REPACK = "unpack it, or compress the CSV with gzip or zip"


@dataclass(frozen=True)
class Format:
    """A format: the bytes it starts with (at `place`), or that one of its first 1024 bytes hold (`holds`).

    `ignores_case`: it is text, which may follow a byte order mark and white space, in any case.
    """

    name: str
    advice: str
    starts: tuple[bytes, ...]
    holds: bytes = b""
    place: int = 0
    ignores_case: bool = False

    def fits(self, start: bytes) -> bool:
        """Return whether a file that starts with these bytes has the format."""
        if self.ignores_case:
            start = start.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").lower()
        return start[self.place :].startswith(self.starts) and self.holds in start


ZIP_STARTS: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
GZIP_START: Final = b"\x1f\x8b"
OPEN_DOCUMENT: Final = Format(
    "an OpenDocument spreadsheet (.ods)", _SAVE_AS, ZIP_STARTS, b"mimetypeapplication/vnd.oasis.opendocument"
)
OFFICE: Final = Format(
    "an Excel workbook or another Office document (.xlsx)", _SAVE_AS, ZIP_STARTS, b"[Content_Types].xml"
)
NUMBERS: Final = Format(
    "a Numbers spreadsheet", "in Numbers, export it to CSV with the encoding UTF-8", ZIP_STARTS, b"Index/"
)

# In this order: of several that fit, the first one counts.
FORMATS: Final[Sequence[Format]] = (
    OPEN_DOCUMENT,
    OFFICE,
    NUMBERS,
    Format(
        "a zip archive or an xlsx workbook",
        "name a zip archive .zip, and load it as a file or an object, not from standard input or from within another"
        " archive; save a workbook as CSV UTF-8",
        ZIP_STARTS,
    ),
    Format(
        "an Excel workbook of the old kind (.xls), or one with a password",
        f"remove the password; {_SAVE_AS}",
        (b"\xd0\xcf\x11\xe0", b"\x09\x08\x08\x00", b"\x09\x08\x10\x00"),
    ),
    Format("a SYLK spreadsheet", _SAVE_AS, (b"ID;PWXL", b"ID;P\r", b"ID;P\n")),
    Format("gzip inside gzip, or inside an archive", "put the CSV itself into the archive", (GZIP_START,)),
    Format("a bzip2 file", _REPACK, (b"BZh",)),
    Format("an xz file", _REPACK, (b"\xfd7zXZ",)),
    Format("a zstd file", _REPACK, (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n]) + b"\x2a\x4d\x18" for n in range(16)))),
    Format("an lz4 file", _REPACK, (b"\x04\x22\x4d\x18",)),
    Format("an lzip file", _REPACK, (b"LZIP\x01",)),
    Format("a file of compress (.Z)", _REPACK, (b"\x1f\x9d",)),
    Format("a 7z archive", _REPACK, (b"7z\xbc\xaf",)),
    Format("a rar archive", _REPACK, (b"Rar!\x1a\x07",)),
    Format("a tar archive", "unpack it, or pack the files as zip", (b"ustar",), place=257),
    Format("a Parquet file", _EXPORT, (b"PAR1",)),
    Format("an Arrow or Feather file", _EXPORT, (b"ARROW1", b"FEA1")),
    Format("an Avro file", _EXPORT, (b"Obj\x01",)),
    Format("an ORC file", _EXPORT, (b"ORC\x08", b"ORC\x0a")),
    Format("an SQLite database", "export its table as CSV", (b"SQLite format 3",)),
    Format("an Access database", "export its table as CSV", (b"\x00\x01\x00\x00Standard",)),
    Format("a dump of a Postgres database", "export its table as CSV, with \\copy", (b"PGDMP",)),
    Format("a PDF", _EXPORT, (b"%PDF",)),
    Format("an image", _EXPORT, (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*")),
    Format("a Git LFS pointer in place of the file", "run git lfs pull, and load the file", (b"version https://git-lfs",)),
    Format("a git-annex pointer in place of the file", "run git annex get, and load the file", (b"/annex/objects/",)),
    Format("an encrypted message", "decrypt it, and load the file", (b"-----BEGIN PGP", b"age-encryption.org/", b"Salted__")),
    Format("an HTTP answer with its headers", "save the body only (curl without -i)", (b"HTTP/",)),
    Format("a Rich Text document", "save it as plain text in UTF-8", (rb"{\rtf",)),
    Format(
        "an HTML page, such as a login or an error page",
        "sign in and download the file itself; save a table in a page as CSV UTF-8",
        (b"<!doctype", b"<html", b"<head", b"<body", b"<table", b"<script", b"<meta", b"<!--", b"<div"),
        ignores_case=True,
    ),
    Format(
        "an XML document, such as an Excel 2003 workbook or an error of an object store",
        "read it in a text editor: save a workbook as CSV UTF-8, and download the file itself after an error",
        (b"<?xml", b"<error"),
        ignores_case=True,
    ),
    Format(
        "an iCalendar file",
        "set a calendar from it: uptill calendars set NAME FILE.ics --label KEY=VALUE",
        (b"begin:vcalendar",),
        ignores_case=True,
    ),
    Format(
        "JSON",
        "write it as CSV, or send polls to POST /v1/observations",
        (b"{", b"["),
        ignores_case=True,
    ),
)  # fmt: skip


def formats_reference() -> Sequence[str]:
    """Return the lines of the table of formats."""
    rows = sorted((each.name.removeprefix("a ").removeprefix("an "), each.advice) for each in FORMATS)
    return ["| the file is | what to do |", "|---|---|", *(f"| {name} | {advice} |" for name, advice in rows)]
