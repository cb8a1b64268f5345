"""An archive that the command loads becomes the same imports as an uploaded one: members, counts, end, repetition."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.fixtures.ingest_figures import CHUNK_BYTES, write_polls
from tests.fixtures.proxy import PostgresProxy
from tests.integration.ingest.command import run_ingest, start_ingest
from tests.integration.ingest.database import check_ledger
from tests.integration.ingest.service import ended, ingest_service

POLLS = b"store_id,status,timestamp_utc\na,active,2024-10-14 12:00:00 UTC\nb,open,2024-10-14 12:00:00 UTC\n"
HOURS = b"store_id,day,start_time_local,end_time_local\na,0,09:00,17:00\n"
ZONES = b"store_id,timezone_str\na,America/Chicago"
SET = {"a_polls.csv": POLLS, "b_hours.csv": HOURS, "c_zones.csv": ZONES}
SHOWN = (
    "state", "kind", "source", "sha256", "size_bytes", "same_as", "error",
    "rows_read", "accepted", "duplicate", "corrected", "rejected",
)  # fmt: skip


def write_zip(file: Path, members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    file.write_bytes(packed.getvalue())
    return packed.getvalue()


def imports(database_url: str, folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return archives and members in the order in which they began, without values that differ between runs."""
    with psycopg.connect(database_url, row_factory=dict_row) as conn:
        rows = conn.execute("select * from import order by started_at").fetchall()
    for row in rows:
        row["source"] = row["source"].removeprefix(f"{folder}/")
    archives = [row for row in rows if row["kind"] == "archive"]
    return archives, [row for row in rows if row["kind"] != "archive"]


def test_the_command_and_an_upload_produce_the_same_rows(database_url: str, tmp_path: Path) -> None:
    body = write_zip(tmp_path / "set.zip", SET)
    assert run_ingest(database_url, str(tmp_path / "set.zip")).returncode == 0
    by_command = imports(database_url, tmp_path)
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "truncate import, adjustment_change, early_number, observation, store, business_hours cascade"
        )
        conn.execute("update ledger_head set seq = 0, latest_observed_at = null")
    with ingest_service(database_url, tmp_path / "spool") as service:
        ended(service, service.post("/v1/imports?name=set.zip", content=body))
    by_upload = imports(database_url, tmp_path)
    for of_command, of_upload in zip(by_command, by_upload, strict=True):
        assert [[row[name] for name in SHOWN] for row in of_command] == [
            [row[name] for name in SHOWN] for row in of_upload
        ]
    for (archive,), members in (by_command, by_upload):
        assert archive["parent_id"] is None
        assert {member["parent_id"] for member in members} == {archive["id"]}
        assert [member["kind"] for member in members] == ["timezones", "hours", "polls"]
        assert archive["quality"]["rejects"] == {"status": 1}
        assert archive["quality"]["hours_rows"] == archive["quality"]["sampled_polls"] == 1


def test_zones_of_one_archive_come_before_polls_of_another(database_url: str, tmp_path: Path) -> None:
    write_zip(tmp_path / "1.zip", {"polls.csv": POLLS, "hours.csv": HOURS})
    write_zip(tmp_path / "2.zip", {"zones.csv": ZONES})
    assert run_ingest(database_url, str(tmp_path)).returncode == 0
    (one, two), members = imports(database_url, tmp_path)
    assert (one["state"], two["state"]) == ("succeeded", "succeeded")
    loaded = sorted((row for row in members if row["kind"]), key=lambda row: row["finished_at"])
    assert [row["source"] for row in loaded] == ["2.zip/zones.csv", "1.zip/hours.csv", "1.zip/polls.csv"]
    assert [row["parent_id"] for row in loaded] == [two["id"], one["id"], one["id"]]


def test_loading_an_archive_again_names_the_first_import(database_url: str, tmp_path: Path) -> None:
    body = write_zip(tmp_path / "set.zip", SET)
    for name in ("set.zip", "copy.zip"):
        (tmp_path / name).write_bytes(body)
        assert run_ingest(database_url, str(tmp_path / name)).returncode == 0
    (first, again), members = imports(database_url, tmp_path)
    assert (first["same_as"], again["same_as"]) == (None, first["id"])
    assert [row["rows_read"] for row in members if row["parent_id"] == again["id"]] == [0, 0, 0]
    with ingest_service(database_url, tmp_path / "spool") as service:
        uploaded = ended(service, service.post("/v1/imports?name=third.zip", content=body))
    assert uploaded["same_as"] == str(first["id"])


@pytest.mark.parametrize("share", [0.35, 0.65, 0.95])
def test_a_killed_command_resumes_the_same_archive(database_url: str, tmp_path: Path, share: float) -> None:
    small_chunks = {"UPTILL_CHUNK_BYTES": str(CHUNK_BYTES)}
    write_polls(tmp_path / "polls.csv", seed=5, rows=4000, weeks=2)
    members = {**SET, "a_polls.csv": (tmp_path / "polls.csv").read_bytes()}
    write_zip(tmp_path / "set.zip", members)
    with PostgresProxy(database_url, stall_at=int(share * 160_000)) as proxy:
        process = start_ingest(proxy.url, str(tmp_path / "set.zip"), env=small_chunks)
        assert proxy.stalled.wait(60)
        process.kill()
        process.wait()
    done = run_ingest(database_url, str(tmp_path / "set.zip"), env=small_chunks)
    assert done.returncode == 0, done.stderr
    (archive,), found = imports(database_url, tmp_path)
    assert (archive["state"], archive["same_as"]) == ("succeeded", None)
    assert {row["state"] for row in found} == {"succeeded"}
    assert sum(row["rows_read"] for row in found if row["kind"] == "polls") == 4000
    check_ledger(database_url)


def test_a_different_archive_with_the_name_of_an_interrupted_one_is_new(
    database_url: str, tmp_path: Path
) -> None:
    write_zip(tmp_path / "set.zip", SET)
    with PostgresProxy(database_url, stall_at=12_000) as proxy:
        process = start_ingest(proxy.url, str(tmp_path / "set.zip"))
        assert proxy.stalled.wait(60)
        process.kill()
        process.wait()
    (interrupted,), _ = imports(database_url, tmp_path)
    write_zip(tmp_path / "set.zip", {**SET, "d_more.csv": HOURS})
    assert run_ingest(database_url, str(tmp_path / "set.zip")).returncode == 0
    (before, after), _ = imports(database_url, tmp_path)
    assert before["id"] == interrupted["id"]
    assert before["state"] == "running"
    assert after["state"] == "succeeded"
