"""Bad input and its outcome: one file per case, loaded by the real command in one run, and over HTTP one by one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
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
from tests.integration.ingest.catalogue_files import ACCEPTED, REFUSED, ROWS, special_places, write_catalogue
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.service import ended, ingest_service


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
