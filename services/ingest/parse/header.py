"""Reads the header line: which kind of table a file holds, and where its columns are."""

import csv
from dataclasses import dataclass

from services.ingest.parse.kinds import REQUIRED_COLUMNS, Kind
from shared.errors import BadInputFile

# Accepted spellings, folded: case, spaces and underscores are ignored.
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
_BOM = b"\xef\xbb\xbf"
_QUOTED_CHARACTERS = 200


@dataclass(frozen=True)
class Layout:
    """The kind of a table, the number of fields in a row, and the indexes of the columns that the kind needs.

    The columns are in the order of `REQUIRED_COLUMNS`. Unknown columns are ignored.
    """

    kind: Kind
    width: int
    columns: tuple[int, ...]


def strip_bom(line: bytes) -> bytes:
    """Return the text without its byte order mark."""
    return line.removeprefix(_BOM)


def read_header(line: bytes) -> Layout:
    """Read the header line. Raise `BadInputFile` if a column is missing, doubled or ambiguous."""
    fields = _split_header(line)
    if len(fields) == 1 and any(separator in fields[0] for separator in ";\t|"):
        raise BadInputFile("dialect", "the fields are not separated by commas; export the file with commas")
    names = [_SPELLINGS.get(_fold_name(field)) for field in fields]
    kinds = [kind for kind, required in REQUIRED_COLUMNS.items() if set(required) <= set(names)]
    if len(kinds) != 1:
        expected = "; or ".join(
            f"{','.join(required)} ({kind})" for kind, required in REQUIRED_COLUMNS.items()
        )
        found = "fits more than one kind of file" if kinds else "is unknown"
        raise BadInputFile("header", f"the header {found}: {_quote_line(line)}. Line 1 must name {expected}")
    required = REQUIRED_COLUMNS[kinds[0]]
    if doubled := [name for name in required if names.count(name) > 1]:
        raise BadInputFile("header", f"the header names {doubled[0]} twice: {_quote_line(line)}")
    return Layout(kinds[0], len(fields), tuple(names.index(name) for name in required))


def _split_header(line: bytes) -> list[str]:
    try:
        (fields,) = csv.reader([line.decode("utf-8").strip()], strict=True)
    except UnicodeDecodeError:
        raise BadInputFile("encoding", "the header is not UTF-8 text; save the file as UTF-8") from None
    except csv.Error as error:
        if b"\r" in line.strip():
            raise BadInputFile(
                "header", "the lines end in CR; save the file with LF or CRLF line ends"
            ) from None
        raise BadInputFile("header", f"the header cannot be read ({error}): {_quote_line(line)}") from None
    return fields


def _fold_name(field: str) -> str:
    return field.casefold().replace(" ", "").replace("_", "")


def _quote_line(line: bytes) -> str:
    return repr(line.decode("utf-8", "replace").strip()[:_QUOTED_CHARACTERS])
