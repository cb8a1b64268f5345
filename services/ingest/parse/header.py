"""Tells what a file is by its first line. Knows the accepted spellings, nothing of the rows below."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared.errors import BadInputFile

Kind = Literal["timezones", "hours", "polls"]

# Accepted spellings, folded: case, spaces and underscores do not count.
_SPELLINGS = {
    "storeid": "store_id",
    "status": "status",
    "timestamputc": "timestamp_utc",
    "dayofweek": "day_of_week",
    "day": "day_of_week",
    "starttimelocal": "start_time_local",
    "endtimelocal": "end_time_local",
    "timezonestr": "timezone_str",
    "timezone": "timezone_str",
}
_REQUIRED: Mapping[Kind, tuple[str, ...]] = {
    "timezones": ("store_id", "timezone_str"),
    "hours": ("store_id", "day_of_week", "start_time_local", "end_time_local"),
    "polls": ("store_id", "status", "timestamp_utc"),
}
LOAD_ORDER: tuple[Kind, ...] = tuple(_REQUIRED)
ZIP_MAGIC, EMPTY_ZIP_MAGIC, GZIP_MAGIC = b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b"
_ZIP = (
    "a zip archive or an xlsx workbook, not CSV; a zip archive is opened as a file or object named .zip, "
    "not from standard input or within an archive; export a workbook as CSV"
)
_MAGIC = {
    ZIP_MAGIC: _ZIP,
    EMPTY_ZIP_MAGIC: _ZIP,
    GZIP_MAGIC: "a gzip file inside an archive; put the CSV itself into the archive",
    b"PAR1": "a parquet file, not CSV; export it as CSV",
    b"ARROW1": "an Arrow file, not CSV; export it as CSV",
    b"%PDF": "a PDF, not CSV; export the data as CSV",
    b"\xd0\xcf\x11\xe0": "an xls workbook, not CSV; export it as CSV",
    b"BZh": "a bzip2 file; pack it with gzip or zip",
    b"\xfd7zXZ": "an xz file; pack it with gzip or zip",
    b"\x28\xb5\x2f\xfd": "a zstd file; pack it with gzip or zip",
    b"7z\xbc\xaf": "a 7z archive; pack it with gzip or zip",
    b"SQLite format 3": "an SQLite database, not CSV; export its table as CSV",
}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Layout:
    """What the header says: the kind, the fields a row has, and the indexes of the columns the kind needs, in its order.

    Columns that no kind knows are ignored.
    """

    kind: Kind
    width: int
    columns: tuple[int, ...]


def check_magic(start: bytes) -> None:
    """Refuse what is no UTF-8 text by its first bytes. Raises `BadInputFile`."""
    for magic, name in _MAGIC.items():
        if start.startswith(magic):
            raise BadInputFile("magic", f"this is {name}")
    # A NUL among the first letters is UTF-16; further down it is for the row to answer.
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start[:4]:
        raise BadInputFile("encoding", "this is not UTF-8 text; save the file as UTF-8")


def without_bom(line: bytes) -> bytes:
    """The text after a byte order mark."""
    return line.removeprefix(_BOM)


def read_header(line: bytes) -> Layout:
    """Read the header line. Raises `BadInputFile` that says what is missing, doubled or ambiguous."""
    try:
        (fields,) = csv.reader([line.decode("utf-8").strip()], strict=True)
    except UnicodeDecodeError:
        raise BadInputFile("encoding", "the header is not UTF-8 text; save the file as UTF-8") from None
    except csv.Error as error:
        if b"\r" in line.strip():
            raise BadInputFile(
                "header", "the lines end in CR; save the file with LF or CRLF line ends"
            ) from None
        raise BadInputFile("header", f"the header cannot be read ({error}): {_shown(line)}") from None
    if len(fields) == 1 and any(separator in fields[0] for separator in ";\t|"):
        raise BadInputFile("dialect", "the fields are not separated by commas; export the file with commas")
    names = [_SPELLINGS.get(_folded(field)) for field in fields]
    kinds = [kind for kind, required in _REQUIRED.items() if set(required) <= set(names)]
    if len(kinds) != 1:
        expected = "; or ".join(f"{','.join(required)} ({kind})" for kind, required in _REQUIRED.items())
        found = "fits more than one kind of file" if kinds else "is not known"
        raise BadInputFile("header", f"the header {found}: {_shown(line)}. Line 1 must name {expected}")
    required = _REQUIRED[kinds[0]]
    if doubled := [name for name in required if names.count(name) > 1]:
        raise BadInputFile("header", f"the header names {doubled[0]} twice: {_shown(line)}")
    return Layout(kinds[0], len(fields), tuple(names.index(name) for name in required))


def _folded(field: str) -> str:
    return field.casefold().replace(" ", "").replace("_", "")


def _shown(line: bytes) -> str:
    return repr(line.decode("utf-8", "replace").strip()[:200])
