"""Line ends, encodings and formats: the same outcome by the command and over HTTP, with the fix in the message."""

import gzip
import io
import zipfile

import psycopg
import pytest

from tests.integration.ingest.conftest import LoadFile
from tests.integration.ingest.database import observations

HEADER = b"store_id,status,timestamp_utc"
AT = b"2024-09-02 00:00:00 UTC"
ROWS = [b"store-%d,active,%b" % (number, AT) for number in range(2000)]
POLLS = b"\n".join([HEADER, *ROWS, b""])
METHODS = {
    1: "Shrink",
    9: "Deflate64",
    12: "bzip2",
    14: "LZMA",
    93: "Zstandard",
    95: "XZ",
    98: "PPMd",
    77: "77",
}


def zip_with(method: int, name: str = "polls.csv", *, flags: int = 0) -> bytes:
    """Return an archive whose header names this method for its member."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, POLLS)
    data = bytearray(packed.getvalue())
    for header, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(header) + place
        data[at : at + 4] = flags.to_bytes(2, "little") + method.to_bytes(2, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\r\r\n".join([HEADER, *ROWS]), "line 1 ends in CR CR LF"),
        (POLLS + b"\r\r\n".join([*ROWS, b""]), "line 2,002 ends in CR CR LF"),
        (b"\r".join([HEADER, *ROWS]), "line 1 has a CR without LF"),
        (POLLS.replace(b"\nstore-1000,", b"\rstore-1000,"), "line 1,001 has a CR without LF"),
    ],
    ids=["doubled", "doubled-later", "old-mac", "one-lone-cr"],
)
def test_unclear_line_ends_are_refused(
    load_file: LoadFile, database_url: str, data: bytes, message: str
) -> None:
    found = load_file(data)
    assert found.state == "failed"
    assert found.refusal[0] == "line_ends"
    assert message in found.refusal[1]
    assert "save" in found.refusal[1]
    assert message in found.told
    assert observations(database_url) == {}


def test_lf_and_crlf_may_be_mixed(load_file: LoadFile) -> None:
    found = load_file(b"\r\n".join([HEADER, *ROWS[:1000]]) + b"\n" + b"\n".join(ROWS[1000:]))
    assert (found.state, found.row["accepted"], found.rejects) == ("succeeded", 2000, [])


def test_ids_in_windows_1252_are_read_with_a_warning(load_file: LoadFile, database_url: str) -> None:
    found = load_file(b"\n".join([HEADER, *ROWS, b"caf\xe9,active," + AT, b"b\xe9,activ\xe9," + AT, b""]))
    assert (found.row["accepted"], found.rejects) == (2001, [(2003, "encoding")])
    assert found.quality["encoding"] == "cp1252"
    assert "Windows-1252" in found.told or "'encoding': 'cp1252'" in found.told
    assert ("caf\u00e9", "2024-09-02 00:00:00.000000") in observations(database_url)


def test_hours_in_windows_1252(load_file: LoadFile, database_url: str) -> None:
    header = b"store_id,day_of_week,start_time_local,end_time_local"
    found = load_file(b"\n".join([header, b"caf\xe9,0,09:00,17:00", b"plain,0,09:00,17:00"]))
    assert (found.row["accepted"], found.quality["encoding"]) == (2, "cp1252")
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select 1 from store where store_id = 'caf\u00e9'").fetchall() == [(1,)]


def test_a_file_of_two_encodings_is_read_as_utf_8(load_file: LoadFile) -> None:
    found = load_file(b"\n".join([HEADER, *ROWS, "\u00fcber,active,".encode() + AT, b"caf\xe9,active," + AT]))
    assert (found.row["accepted"], found.rejects) == (2001, [(2003, "encoding")])
    assert found.quality["encoding"] == "utf-8"


def test_an_ascii_file_has_no_encoding_to_report(load_file: LoadFile) -> None:
    assert "encoding" not in load_file(POLLS).quality


@pytest.mark.parametrize("method", METHODS)
def test_a_method_of_packing_is_named(load_file: LoadFile, database_url: str, method: int) -> None:
    _refused_member(load_file, database_url, zip_with(method), METHODS[method], "deflate")


@pytest.mark.parametrize(("method", "kind"), [(99, "encrypted with AES"), (8, "it is encrypted")])
def test_encryption_is_named(load_file: LoadFile, database_url: str, method: int, kind: str) -> None:
    _refused_member(load_file, database_url, zip_with(method, flags=1), kind, "without a password")


def test_a_text_file_that_cannot_be_unpacked_is_not_left_out(load_file: LoadFile, database_url: str) -> None:
    _refused_member(load_file, database_url, zip_with(9, "polls.txt"), "Deflate64", "deflate")


def _refused_member(load_file: LoadFile, database_url: str, data: bytes, what: str, fix: str) -> None:
    found = load_file(data, "set.zip")
    assert found.state == "failed"
    with psycopg.connect(database_url) as conn:
        ((error,),) = conn.execute("select error from import where parent_id is not null").fetchall()
    assert error["reason"] == "damaged"
    assert what in error["message"]
    assert fix in error["message"]
    assert what in found.told
    assert observations(database_url) == {}


@pytest.mark.parametrize(
    ("data", "reason", "what"),
    [
        (b"<!DOCTYPE html><html><title>Sign in</title></html>", "magic", "HTML page"),
        (b"%PDF-1.7", "magic", "PDF"),
        (b'[{"store_id": "a"}]', "magic", "JSON"),
        (b"7z\xbc\xaf\x27\x1c", "magic", "7z"),
        (b"Rar!\x1a\x07\x01\x00", "magic", "rar"),
        (b"\x28\xb5\x2f\xfd\x04", "magic", "zstd"),
        (POLLS.decode().encode("utf-16"), "encoding", "UTF-16"),
        (gzip.compress(gzip.compress(POLLS)), "magic", "gzip inside gzip"),
        (gzip.compress(POLLS) + b"\n-- \nsent by mail\n", "damaged", "the gzip data end at byte"),
        (gzip.compress(POLLS)[:-9], "truncated", "end early"),
    ],
    ids=["html", "pdf", "json", "7z", "rar", "zstd", "utf-16", "gzip-twice", "gzip-and-more", "gzip-cut"],
)
def test_another_format_is_named(load_file: LoadFile, data: bytes, reason: str, what: str) -> None:
    found = load_file(data)
    assert found.refusal[0] == reason
    assert what in found.refusal[1]
    assert what in found.told


def test_padding_and_members_of_gzip_are_read(load_file: LoadFile) -> None:
    half = len(POLLS) // 2
    data = gzip.compress(POLLS[:half]) + gzip.compress(POLLS[half:]) + bytes(10_240)
    assert load_file(data, "polls.csv.gz").row["accepted"] == 2000


def test_spreadsheets_in_an_archive_are_left_out_by_name(load_file: LoadFile) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("polls.csv", POLLS)
        archive.writestr("book.xlsx", b"PK")
    found = load_file(packed.getvalue(), "set.zip")
    assert found.state == "succeeded"
    assert "save each sheet as CSV UTF-8" in found.told
