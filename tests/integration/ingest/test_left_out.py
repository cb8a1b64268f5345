"""Every member and folder entry is loaded, or named with the reason: by the command and by HTTP alike."""

import gzip
import io
import zipfile
from pathlib import Path

import psycopg

from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.service import ended, ingest_service

POLLS = b"store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\n"
HOURS = b"store_id,day,start_time_local,end_time_local\na,0,10:00:00,22:00:00\n"
ZONES = b"store_id\ttimezone_str\na\tAmerica/Denver\n"
LEFT_OUT = {
    "set.zip/readme.txt": "its first line is not the header of a table",
    "set.zip/inner.zip": "it is an archive inside the archive; unpack it and load it by itself",
    "set.zip/photo.png": "its name does not end in .csv, .tsv or .txt (or these with .gz)",
}


def delivery() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("polls.csv", POLLS)
        archive.writestr("hours.csv.gz", gzip.compress(HOURS))
        archive.writestr("zones.txt", ZONES)
        archive.writestr("readme.txt", b"Dear reader,\nthese are the files.\n")
        archive.writestr("inner.zip", b"PK\x05\x06" + bytes(18))
        archive.writestr("photo.png", b"\x89PNG")
    return packed.getvalue()


def check_loaded(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        found = conn.execute(
            "select timezone, (select count(*) from business_hours), (select count(*) from observation) from store"
        ).fetchall()
        assert found == [("America/Denver", 1, 1)]
        states = conn.execute("select state, count(*) from import group by state").fetchall()
        assert states == [("succeeded", 4)]


def test_an_archive_by_the_command(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "set.zip").write_bytes(delivery())
    (folder / "notes:x:.docx").write_bytes(b"PK")  # a name that a terminal library would show as an emoji
    done = run_ingest(database_url, str(folder))
    printed = done.stderr.decode()
    assert done.returncode == 0, printed
    assert printed.count("left out:") == len(LEFT_OUT) + 2
    assert all(f"{folder}/{name}: {reason}" in printed for name, reason in LEFT_OUT.items())
    assert f"{folder}/notes:x:.docx: its name does not end in .csv, .csv.gz or .zip" in printed
    assert f"{folder}/sub: it is a folder; name it to load what it holds" in printed
    check_loaded(database_url)


def test_an_archive_by_http(database_url: str, tmp_path: Path) -> None:
    with ingest_service(database_url, tmp_path / "spool") as client:
        body = ended(client, client.post("/v1/imports", params={"name": "set.zip"}, content=delivery()))
    assert body["state"] == "succeeded"
    assert {one["name"]: one["reason"] for one in body["quality"]["left_out"]} == LEFT_OUT
    check_loaded(database_url)
