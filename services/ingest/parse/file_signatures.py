"""Recognises file formats by their first bytes. Only text passes."""

import codecs
from collections.abc import Iterable, Mapping
from typing import Final

from services.ingest.parse.file_formats import (
    FORMATS,
    GZIP_START,
    NUMBERS,
    OFFICE,
    OPEN_DOCUMENT,
    ZIP_STARTS,
    Format,
)
from shared.errors import BadInputFile

SIGNATURE_BYTES = 1024
GZIP_SIGNATURE_BYTES = len(GZIP_START)
OFFICE_MEMBER = "[Content_Types].xml"
OPEN_DOCUMENT_MEMBERS = {"mimetype", "content.xml"}
_UTF_8 = "save it as CSV UTF-8"
_WIDE_BYTES = 8  # two characters of UTF-32
# Which bytes are NUL in ASCII characters without a byte order mark: iconv must be told their order.
_WIDE: Final[Mapping[tuple[bool, ...], str]] = {
    (False, True, True, True) * 2: "UTF-32LE",
    (True, True, True, False) * 2: "UTF-32BE",
    (False, True) * 4: "UTF-16LE",
    (True, False) * 4: "UTF-16BE",
}


def is_gzip(start: bytes) -> bool:
    """Return whether a stream that starts with these bytes is gzip."""
    return start.startswith(GZIP_START)


def is_zip(start: bytes) -> bool:
    """Return whether a file that starts with these bytes is a zip archive, or a document packed as one."""
    return start.startswith(ZIP_STARTS)


def refuse_other_formats(start: bytes) -> None:
    """Raise `BadInputFile` if the first bytes are those of another format, or not of UTF-8 text."""
    for each in FORMATS:
        if each.fits(start):
            raise _refuse(each)
    if encoding := _find_wide_encoding(start):
        raise BadInputFile(
            "encoding", f"this is {encoding} text, not UTF-8: {_UTF_8} (iconv -f {encoding} -t UTF-8)"
        )
    # A NUL further down is rejected with its row.
    if b"\0" in start[:_WIDE_BYTES]:
        raise BadInputFile("encoding", f"this is binary data, not UTF-8 text: {_UTF_8}")


def refuse_documents(names: Iterable[str]) -> None:
    """Raise `BadInputFile` if a zip archive with members of these names is a spreadsheet or another document."""
    found = set(names)
    if OFFICE_MEMBER in found:
        raise _refuse(OFFICE)
    if found >= OPEN_DOCUMENT_MEMBERS:
        raise _refuse(OPEN_DOCUMENT)
    if any(name.startswith("Index/") and name.endswith(".iwa") for name in found) or "Index.zip" in found:
        raise _refuse(NUMBERS)


def _refuse(found: Format) -> BadInputFile:
    return BadInputFile("magic", f"this is {found.name}, not CSV: {found.advice}")


def _find_wide_encoding(start: bytes) -> str | None:
    """Return the name of UTF-16 or UTF-32 for iconv, told from the byte order mark or from the NUL bytes of ASCII characters."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "UTF-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    is_nul = tuple(byte == 0 for byte in start[:_WIDE_BYTES])
    return _WIDE.get(is_nul)
