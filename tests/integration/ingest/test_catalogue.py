"""Bad input and its outcome: one file per case, loaded by the real command in one run, and over HTTP one by one."""

import gzip
import io
import os
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from services.ingest.parse.reasons import FILE_REASONS, RAW_BYTES
from services.local.servers import Endpoints
from shared.row_reasons import ROW_REASONS
from tests.conftest import _RUN
from tests.fixtures.databases import fresh_database, migrated_template
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.service import ended, ingest_service

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
    "empty-id": (POLLS, b",active," + AT, "store_id"),
    "blank-id": (POLLS, b"  ,active," + AT, "store_id"),
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


@dataclass(frozen=True)
class Catalogue:
    """The folder, what the command or the service reports for every file, and what the database has."""

    database_url: str
    folder: Path
    said: Mapping[str, str]
    imports: Mapping[str, dict[str, Any]]

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as conn:
            return conn.execute(statement, values).fetchall()


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


def load_by_command(database_url: str, folder: Path) -> dict[str, str]:
    """Load the folder by the command, and return what it prints for each file.

    First without the files that are refused, which would hold the others back.
    """
    special_places(folder)
    first = run_ingest(database_url, f"{folder}/row-*.csv", f"{folder}/accepted-*.csv")
    assert first.returncode == 0
    done = run_ingest(database_url, str(folder))
    assert done.returncode == 1  # some were refused
    said: dict[str, str] = {}
    for line in (first.stderr + done.stderr).decode().splitlines():
        assert "Traceback" not in line
        name = line.partition(f"{folder}/")[2].split(": ")[0].split(" line ")[0]
        said[name] = said.get(name, "") + line + "\n"
    return said


def load_by_http(database_url: str, folder: Path) -> dict[str, str]:
    """Upload each file, and return the error of its import and its rejected rows."""
    said: dict[str, str] = {}
    # Zones before polls, as the command sorts them: the zone that stays must be there before the bad ones.
    files = sorted(folder.iterdir(), key=lambda file: "zones" not in file.name)
    with ingest_service(database_url, folder.parent / "spool") as service:
        for file in files:
            answer = service.post("/v1/imports", params={"name": file.name}, content=file.read_bytes())
            shown = ended(service, answer)
            rejects = service.get(f"/v1/imports/{shown['id']}/rejects").text
            for part in (shown, *shown["members"]):
                said[part["source"]] = f"{(part['error'] or {}).get('message')}\n{rejects}"
    return said


Way = Callable[[str, Path], Mapping[str, str]]


@pytest.fixture(scope="module")
def load_all(
    servers: Endpoints, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Way], Catalogue]]:
    """Loads all files by one way, once, into a database of its own."""
    with ExitStack() as cleanup:

        def load_by(way: Way) -> Catalogue:
            folder = tmp_path_factory.mktemp("catalogue") / "files"
            write_catalogue(folder)
            template = migrated_template(pytestconfig.stash[_RUN], servers)
            url = cleanup.enter_context(fresh_database(servers, template=template))
            said = way(url, folder)
            with psycopg.connect(url, row_factory=dict_row) as conn:
                # The earliest of each source is the last one here.
                rows = conn.execute("select * from import order by started_at desc").fetchall()
            imports = {row["source"].removeprefix(f"{folder}/"): row for row in rows}
            return Catalogue(url, folder, said, imports)

        yield cache(load_by)


@pytest.fixture(params=[load_by_command, load_by_http], ids=["command", "http"])
def catalogue(request: pytest.FixtureRequest, load_all: Callable[[Way], Catalogue]) -> Catalogue:
    return load_all(request.param)


only_by_command = pytest.mark.parametrize("catalogue", [load_by_command], indirect=True, ids=["command"])


@pytest.mark.parametrize("name", ROWS)
def test_a_rejected_row(catalogue: Catalogue, name: str) -> None:
    _, row, reason = ROWS[name]
    found = catalogue.imports[f"row-{name}.csv"]
    assert (found["state"], found["accepted"], found["rejected"], found["rows_read"]) == (
        "succeeded",
        2,
        1,
        3,
    )
    rejects = catalogue.query(
        "select line, byte_offset, reason, raw from import_reject where import_id = %s", found["id"]
    )
    lines = (catalogue.folder / f"row-{name}.csv").read_bytes().split(b"\n")
    assert lines[2] == row
    assert rejects == [(3, len(lines[0]) + len(lines[1]) + 2, reason, row[:RAW_BYTES])]
    by_command, by_http = f"line 3: {reason}: {ROW_REASONS[reason]}", f"\n3,{rejects[0][1]},{reason},"
    said = catalogue.said[f"row-{name}.csv"]
    assert by_command in said or by_http in said


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_accepted_file(catalogue: Catalogue, name: str) -> None:
    found = catalogue.imports[f"accepted-{name}.csv"]
    assert (found["state"], found["accepted"], found["rejected"]) == ("succeeded", ACCEPTED[name][1], 0)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_file(catalogue: Catalogue, name: str) -> None:
    _, reason, message = REFUSED[name]
    check_refused(catalogue, f"refused-{name}.csv", reason, message)


@pytest.mark.parametrize(
    ("name", "reason", "message"),
    [
        ("bomb.csv.gz", "ratio", "send the file unpacked"),
        ("bomb.zip", "ratio", "send the file unpacked"),
        ("members.zip", "ratio", "1,000 members"),
        ("cut.zip", "truncated", "send it again"),
        ("xlsx.zip", "magic", "save each sheet as CSV UTF-8"),
        ("no-csv.zip", "io", "no .csv file"),
        ("bzip2.zip/a.csv", "damaged", "deflate"),
        ("flipped.zip/a.csv", "damaged", "send the archive again"),
        ("nested.zip/inner.csv", "magic", "zip archive"),
        ("nested-by-name.zip", "io", "no .csv file"),
        ("xlsx-named-csv.csv", "magic", "xlsx"),
        ("bad-from-the-start.csv", "reject_threshold", "Line 51"),
    ],
)
def test_a_file_that_is_not_a_table(catalogue: Catalogue, name: str, reason: str, message: str) -> None:
    check_refused(catalogue, name, reason, message)


@only_by_command
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder.csv", "this is a folder"),
        ("fifo.csv", "this is a pipe"),
        ("dangling.csv", "No such file"),
        ("outside.csv", "leads out of"),
        ("device.csv", "leads out of"),
    ],
)
def test_a_path_that_is_not_a_file(catalogue: Catalogue, name: str, message: str) -> None:
    check_refused(catalogue, name, "io", message)


def check_refused(catalogue: Catalogue, name: str, reason: str, message: str) -> None:
    found = catalogue.imports[name]
    assert (found["state"], found["accepted"]) == ("failed", 0)
    assert found["error"]["reason"] == reason
    assert reason in FILE_REASONS
    assert message in catalogue.said[name]


def test_gzip_is_recognised_by_its_first_bytes(catalogue: Catalogue) -> None:
    assert catalogue.imports["gzip-named-csv.csv"]["accepted"] == 1


def test_several_gzip_members(catalogue: Catalogue) -> None:
    assert catalogue.imports["members.csv.gz"]["accepted"] == 2


@pytest.mark.parametrize(
    ("name", "state", "reason", "store"),
    [
        ("truncated.csv.gz", "failed", "truncated", "truncated"),
        ("bad-later.csv", "stopped", "reject_threshold", "bad-later"),
    ],
)
def test_committed_chunks_of_a_damaged_file_stay(
    catalogue: Catalogue, name: str, state: str, reason: str, store: str
) -> None:
    found = catalogue.imports[name]
    assert (found["state"], found["error"]["reason"]) == (state, reason)
    assert 50_000 < found["accepted"] < 150_000
    stored = catalogue.query(
        "select count(*) from observation join store using (store_key) where store_id like %s", f"{store}-%"
    )
    assert stored == [(found["accepted"],)]


def test_store_ids_that_look_like_formulas_or_sql_are_plain_data(catalogue: Catalogue) -> None:
    ids = {row[0] for row in catalogue.query("select store_id from store")}
    assert {"=cmd|' /C calc'!A0", "<script>alert(1)</script>", "'; drop table store; --", "007", "7"} <= ids


@only_by_command
def test_a_name_cannot_forge_a_line(catalogue: Catalogue) -> None:
    assert catalogue.imports["line\\x0abreak.csv"]["state"] == "failed"
    assert "line\\nbreak.csv: the header" in catalogue.said["line\\nbreak.csv"]


def test_an_invalid_time_zone_keeps_the_old_one(catalogue: Catalogue) -> None:
    assert catalogue.query("select timezone from store where store_id = 'known'") == [("America/Chicago",)]


def test_fractions_are_cut_at_microseconds(catalogue: Catalogue) -> None:
    found = catalogue.query(
        "select extract(microseconds from observed_at)::int from observation join store using (store_key)"
        " where store_id = 'fraction-of-9-digits'"
    )
    assert found == [(18_727_055,)]
    assert catalogue.imports["accepted-fraction-of-9-digits.csv"]["cut_fractions"] == 1


@only_by_command
def test_time_zones_load_before_hours_and_hours_before_polls(catalogue: Catalogue) -> None:
    started = {name: found["started_at"] for name, found in catalogue.imports.items()}
    assert (
        started["accepted-zones.csv"] < started["accepted-hours-awkward.csv"] < started["accepted-crlf.csv"]
    )


Load = Callable[..., dict[str, Any]]


def one_by_command(
    database_url: str, folder: Path, content: bytes, reject_limit: float = 0.5
) -> dict[str, Any]:
    """Load a file with this content by the command, and return its import."""
    file = folder / "one.csv"
    file.write_bytes(content)
    run_ingest(database_url, str(file), "--reject-limit", str(reject_limit))
    with psycopg.connect(database_url, row_factory=dict_row) as conn:
        found: dict[str, Any] = conn.execute("select * from import order by started_at desc").fetchall()[0]
    return found


def one_by_http(database_url: str, folder: Path, content: bytes, reject_limit: float = 0.5) -> dict[str, Any]:
    """Upload this content, and return its import."""
    with ingest_service(database_url, folder / "spool", reject_limit=reject_limit) as service:
        shown = ended(service, service.post("/v1/imports", content=content))
    return {**shown, **shown["counts"]}


by_both = pytest.mark.parametrize("load", [one_by_command, one_by_http], ids=["command", "http"])


@by_both
def test_a_newline_in_quotes_rejects_only_its_lines(load: Load, database_url: str, tmp_path: Path) -> None:
    content = b"\n".join([POLLS, b'"a', b'b",active,' + AT, ROW, ROW.replace(b"g", b"h"), b""])
    found = load(database_url, tmp_path, content)
    assert (found["state"], found["accepted"], found["rejected"]) == ("succeeded", 2, 2)
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select line, reason from import_reject order by line").fetchall() == [
            (2, "quoting"),
            (3, "quoting"),
        ]


@by_both
def test_the_limit_is_a_setting(load: Load, database_url: str, tmp_path: Path) -> None:
    content = POLLS + b"\n" + ROW + b"\n" + b"a,open,x\n" * 9
    refused = load(database_url, tmp_path, content)
    assert (refused["state"], refused["error"]["reason"]) == ("failed", "reject_threshold")
    taken = load(database_url, tmp_path, content, reject_limit=0.9)
    assert (taken["state"], taken["accepted"], taken["rejected"]) == ("succeeded", 1, 9)


def test_the_limit_is_a_share(database_url: str, tmp_path: Path) -> None:
    assert run_ingest(database_url, str(tmp_path), "--reject-limit", "2").returncode == 2


@by_both
def test_a_repeated_poll_and_a_corrected_poll(load: Load, database_url: str, tmp_path: Path) -> None:
    content = b"\n".join([POLLS, ROW, ROW, ROW.replace(b"active", b"inactive")])
    found = load(database_url, tmp_path, content)
    assert [found[name] for name in ("rows_read", "accepted", "duplicate", "corrected")] == [3, 1, 1, 1]
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select is_active from observation").fetchall() == [(False,)]


@by_both
def test_a_store_in_one_file_only(load: Load, database_url: str, tmp_path: Path) -> None:
    files = (
        POLLS + b"\npolled," + ROW.split(b",", 1)[1],
        HOURS + b"\nopen,0,09:00:00,17:00:00",
        ZONES + b"\nzoned,America/Chicago",
    )
    for content in files:
        found = load(database_url, tmp_path, content)
        assert (found["state"], found["accepted"], found["rejected"]) == ("succeeded", 1, 0)
    with psycopg.connect(database_url) as conn:
        stores = conn.execute("select store_id from store order by store_id").fetchall()
    assert stores == [("open",), ("polled",), ("zoned",)]


@by_both
def test_ten_thousand_ranges_of_one_store(load: Load, database_url: str, tmp_path: Path) -> None:
    times = (divmod(minute, 60) for minute in range(1440))
    rows = [f"a,{day},{hour:02}:{minute:02},23:59" for hour, minute in times for day in range(7)]
    found = load(database_url, tmp_path, HOURS + b"\n" + "\n".join(rows).encode())
    assert (found["state"], found["accepted"], found["rejected"]) == ("succeeded", len(rows), 0)
    assert len(rows) > 10_000


def test_the_same_bytes_again(database_url: str, tmp_path: Path) -> None:
    for name in ("first.csv", "second.csv"):
        (tmp_path / name).write_bytes(polls(100, "same"))
    assert run_ingest(database_url, str(tmp_path / "first.csv")).returncode == 0
    done = run_ingest(database_url, str(tmp_path / "second.csv"))
    assert done.returncode == 0
    assert "the same bytes were loaded" in done.stderr.decode()


def test_a_file_that_grows_while_it_is_read(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "polls.csv"
    file.write_bytes(polls(200_000, "grow"))
    ended = threading.Event()

    def grow() -> None:
        with file.open("ab", buffering=0) as more:
            while not ended.wait(0.001):
                more.write(ROW + b"\n")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        done = run_ingest(database_url, str(file))
    finally:
        ended.set()
        writer.join()
    assert done.returncode == 1
    assert "changed while it was read" in done.stderr.decode()


def test_named_pipes_and_devices_are_refused_at_once(database_url: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = run_ingest(database_url, str(tmp_path / "pipe"), "/dev/zero", str(tmp_path / "missing.csv"))
    assert done.returncode == 1
    for message in ("pipe into `uptill ingest -`", "a device", "No such file"):
        assert message in done.stderr.decode()
