"""Files that are not CSV: the message names the format, and says what to do."""

import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import polars as pl
import pytest

from services.ingest.parse.chunks import open_table, read_layout
from services.ingest.parse.file_formats import FORMATS
from services.ingest.sources.zip_archives import buffer_archive, list_members
from shared.errors import BadInputFile
from tests.unit.test_ingest_archives import InMemory

ROOT = Path(__file__).resolve().parents[2]
POLLS = "store_id,status,timestamp_utc\na,active,2024-10-14 12:00:00 UTC\n"


def zip_of(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return packed.getvalue()


def ole(text: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + text.encode("utf-16-le")


def parquet() -> bytes:
    packed = io.BytesIO()
    pl.DataFrame({"store_id": ["a"]}).write_parquet(packed)
    return packed.getvalue()


FILES = {
    "xlsx": (zip_of(**{"[Content_Types].xml": b"<Types/>"}), "Excel workbook", "CSV UTF-8"),
    "ods": (zip_of(mimetype=b"application/vnd.oasis.opendocument.spreadsheet"), "OpenDocument", "CSV UTF-8"),
    "numbers": (zip_of(**{"Index__Document.iwa": b"x"}), "Numbers spreadsheet", "export it to CSV"),
    "zip": (zip_of(**{"a.csv": POLLS.encode()}), "zip archive", "name a zip archive .zip"),
    "xls": (ole("Workbook"), ".xls", "CSV UTF-8"),
    "xls-5": (b"\x09\x08\x10\x00\x00\x06\x05\x00", ".xls", "CSV UTF-8"),
    "sylk": (b"ID;PWXL;N;E\r\nP;PGeneral\r\n", "SYLK", "CSV UTF-8"),
    "excel-2003": (b'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>', "XML", "CSV UTF-8"),
    "gzip-twice": (gzip.compress(POLLS.encode()), "gzip inside gzip", "put the CSV itself"),
    "bzip2": (b"BZh91AY&SY\x00", "bzip2", "gzip or zip"),
    "xz": (lzma.compress(b"x"), "xz", "gzip or zip"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x58", "zstd", "gzip or zip"),
    "zstd-skippable": (b"\x5e\x2a\x4d\x18\x04\x00", "zstd", "gzip or zip"),
    "lz4": (b"\x04\x22\x4d\x18\x64", "lz4", "gzip or zip"),
    "compress": (b"\x1f\x9d\x90", "compress", "gzip or zip"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z archive", "gzip or zip"),
    "rar-4": (b"Rar!\x1a\x07\x00\xcf", "rar archive", "gzip or zip"),
    "rar-5": (b"Rar!\x1a\x07\x01\x00", "rar archive", "gzip or zip"),
    "parquet": (parquet(), "Parquet", "export the data as CSV"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "PDF", "export the data as CSV"),
    "png": (b"\x89PNG\r\n\x1a\n", "image", "export the data as CSV"),
    "html": (b"<!DOCTYPE html>\n<html><title>Sign in</title>", "HTML page", "sign in"),
    "html-padded": (b"\xef\xbb\xbf\r\n\r\n  <HTML lang=en>", "HTML page", "sign in"),
    "html-table": (b"<table><tr><td>store_id</td></tr></table>", "HTML page", "sign in"),
    "s3-error": (b"<Error><Code>AccessDenied</Code></Error>", "XML document", "download the file"),
    "json": (json.dumps([{"store_id": "a"}]).encode(), "JSON", "/v1/observations"),
    "json-lines": (b'{"store_id": "a", "status": "active"}\n{"store_id": "b"}\n', "JSON", "write it as CSV"),
    "json-pretty": (b"\n\n  [\n    {}\n  ]\n", "JSON", "write it as CSV"),
    "ics": (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "iCalendar file", "uptill calendars set"),
    "rtf": (rb"{\rtf1\ansi store_id,status}", "Rich Text", "plain text"),
    "http": (b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\n" + POLLS.encode(), "HTTP answer", "curl"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer", "git lfs pull"),
    "annex": (b"/annex/objects/SHA256E-s1--x.csv\n", "git-annex pointer", "git annex get"),
    "pgp": (b"-----BEGIN PGP MESSAGE-----\n", "encrypted", "decrypt"),
    "tar": (b"polls.csv".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0"), "tar archive", "as zip"),
    "sqlite": (b"SQLite format 3\0", "SQLite", "export its table"),
    "access": (b"\x00\x01\x00\x00Standard ACE DB\x00", "Access database", "export its table"),
}
WIDE = {
    "utf-16": (POLLS.encode("utf-16"), "UTF-16"),
    "utf-16-be": (b"\xfe\xff" + POLLS.encode("utf-16-be"), "UTF-16"),
    "utf-16-le-without-mark": (POLLS.encode("utf-16-le"), "iconv -f UTF-16LE"),
    "utf-16-be-without-mark": (POLLS.encode("utf-16-be"), "iconv -f UTF-16BE"),
    "utf-32": (POLLS.encode("utf-32"), "UTF-32"),
    "utf-32-be": (b"\x00\x00\xfe\xff" + POLLS.encode("utf-32-be"), "UTF-32"),
    "utf-32-le-without-mark": (POLLS.encode("utf-32-le"), "UTF-32"),
    "utf-32-be-without-mark": (POLLS.encode("utf-32-be"), "UTF-32"),
    "nul": (b"a\0\0b" + POLLS.encode(), "binary data"),
}


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize("name", FILES)
def test_a_format_is_named_with_what_to_do(name: str, block_bytes: int) -> None:
    data, what, advice = FILES[name]
    with pytest.raises(BadInputFile) as refusal:
        read_layout(data[start : start + block_bytes] for start in range(0, len(data), block_bytes))
    assert refusal.value.reason == "magic"
    assert what in str(refusal.value).partition(", not CSV: ")[0]
    assert advice in str(refusal.value)


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize("name", WIDE)
def test_an_encoding_is_named(name: str, block_bytes: int) -> None:
    data, what = WIDE[name]
    with pytest.raises(BadInputFile, match=what) as refusal:
        read_layout(data[start : start + block_bytes] for start in range(0, len(data), block_bytes))
    assert refusal.value.reason == "encoding"
    assert "CSV UTF-8" in str(refusal.value)


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"[Content_Types].xml": b"", "xl__workbook.xml": b"", "a.csv": b""}, "Excel workbook"),
        ({"mimetype": b"x", "content.xml": b"", "a.csv": b""}, "OpenDocument"),
        ({"Index__Document.iwa": b"", "preview.jpg": b""}, "Numbers"),
        ({"Index.zip": b"", "a.csv": b""}, "Numbers"),
    ],
)
def test_a_spreadsheet_that_is_named_zip(files: dict[str, bytes], what: str) -> None:
    archive = InMemory(zip_of(**files))
    with pytest.raises(BadInputFile, match=what) as refusal:
        list_members(archive, buffer_archive(archive.open_seekable()))
    assert refusal.value.reason == "magic"


@pytest.mark.parametrize("first", ["PARts", "IDs", "BZ", "Rar", "ustar", "HTML", "GIF", "ORC", "index/"])
def test_a_first_column_with_such_a_name_is_read(first: str) -> None:
    layout, _ = open_table(iter([f"{first},{POLLS}".encode()]))
    assert layout.columns == (1, 2, 3)


def test_the_docs_list_every_format() -> None:
    page = (ROOT / "docs" / "reference" / "reject-reasons.md").read_text()
    for each in FORMATS:
        assert f"| {each.name.removeprefix('a ').removeprefix('an ')} | {each.advice} |" in page
