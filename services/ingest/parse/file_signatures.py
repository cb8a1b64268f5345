"""Recognises file formats by their first bytes. Only UTF-8 text passes."""

from shared.errors import BadInputFile

_ZIP, _EMPTY_ZIP, _GZIP = b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b"
GZIP_SIGNATURE_BYTES = len(_GZIP)
_TAR_PLACE = 257  # of a tar archive's signature (POSIX)
_ZIP_HELP = (
    "a zip archive or an xlsx workbook, not CSV; name a zip archive .zip and load it as a file or an object,"
    " not from standard input or from within another archive; export a workbook as CSV"
)
_OTHER_FORMATS = {
    _ZIP: _ZIP_HELP,
    _EMPTY_ZIP: _ZIP_HELP,
    _GZIP: "a gzip file inside an archive; put the CSV itself into the archive",
    b"PAR1": "a Parquet file, not CSV; export it as CSV",
    b"ARROW1": "an Arrow file, not CSV; export it as CSV",
    b"%PDF": "a PDF, not CSV; export the data as CSV",
    b"\xd0\xcf\x11\xe0": "an xls workbook, not CSV; export it as CSV",
    b"BZh": "a bzip2 file; compress it with gzip or zip instead",
    b"\xfd7zXZ": "an xz file; compress it with gzip or zip instead",
    b"\x28\xb5\x2f\xfd": "a zstd file; compress it with gzip or zip instead",
    b"7z\xbc\xaf": "a 7z archive; compress it with gzip or zip instead",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself; run git lfs pull, and load the file",
    b"SQLite format 3": "an SQLite database, not CSV; export its table as CSV",
}


def is_gzip(start: bytes) -> bool:
    """Return whether a stream that starts with these bytes is gzip."""
    return start.startswith(_GZIP)


def is_zip(start: bytes) -> bool:
    """Return whether a file that starts with these bytes is a zip archive, or a document packed as one."""
    return start.startswith((_ZIP, _EMPTY_ZIP))


def refuse_other_formats(start: bytes) -> None:
    """Raise `BadInputFile` if the first bytes cannot be the start of UTF-8 text."""
    for signature, name in _OTHER_FORMATS.items():
        if start.startswith(signature):
            raise BadInputFile("magic", f"this is {name}")
    if start[_TAR_PLACE:].startswith(b"ustar"):
        raise BadInputFile("magic", "this is a tar archive; unpack it, or pack the files as zip")
    # A NUL among the first letters means UTF-16. One further down is rejected with its row.
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start[:4]:
        raise BadInputFile("encoding", "this is not UTF-8 text; save the file as UTF-8")
