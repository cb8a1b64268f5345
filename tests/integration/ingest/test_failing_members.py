"""A file of a delivery that meets an unexpected error costs only itself, in whichever step of its import."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.ingest.http import importer
from services.ingest.parse.polls import PollParser
from services.ingest.run import ingest_paths, table
from services.ingest.write import quality_report
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.polls import PollWriter
from tests.integration.ingest.service import ended, ingest_service

MEMBERS = {
    "zones.csv": "store_id,timezone_str\na,UTC\n",
    "hours.csv": "store_id,dayOfWeek,start_time_local,end_time_local\na,0,09:00:00,17:00:00\n",
    "broken.csv": "store_id,status,timestamp_utc\nbroken,active,2024-10-14 10:00:00 UTC\n",
    "polls.csv": "store_id,status,timestamp_utc\na,active,2024-10-14 10:00:00 UTC\n",
}


def source_of(ledger: ImportLedger) -> str:
    query = "select source from import where id = %s"
    ((source,),) = ledger.conn.execute(query, [ledger.import_id]).fetchall()
    return str(source)


def _break_parser(patched: pytest.MonkeyPatch) -> None:
    parse = PollParser.parse_chunk

    def parse_chunk(self: Any, chunk: Any, *more: Any) -> Any:
        if b"broken" in bytes(chunk.data):
            raise RuntimeError("a bug in the parser")
        return parse(self, chunk, *more)

    patched.setattr(PollParser, "parse_chunk", parse_chunk)


def _break_writer(patched: pytest.MonkeyPatch) -> None:
    write = PollWriter.write_chunk

    def write_chunk(self: Any, *arguments: Any) -> Any:
        if "broken" in source_of(self._ledger):
            raise RuntimeError("a bug in the writer")
        return write(self, *arguments)

    patched.setattr(PollWriter, "write_chunk", write_chunk)


def _break_quality(patched: pytest.MonkeyPatch) -> None:
    read = quality_report.read_quality

    def read_quality(conn: psycopg.Connection, import_id: Any, *more: Any) -> Any:
        ((source,),) = conn.execute("select source from import where id = %s", [import_id]).fetchall()
        if "broken" in source:
            raise RuntimeError("a bug in the quality report")
        return read(conn, import_id, *more)

    patched.setattr(table, "read_quality", read_quality)


def _break_finish(patched: pytest.MonkeyPatch) -> None:
    finish = PollWriter.finish_table

    def finish_table(self: Any, *arguments: Any) -> Any:
        if "broken" in source_of(self._ledger):
            raise RuntimeError("a bug at the end of the table")
        return finish(self, *arguments)

    patched.setattr(PollWriter, "finish_table", finish_table)


STEPS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "parse": _break_parser,
    "write": _break_writer,
    "finish": _break_finish,
    "quality": _break_quality,
}


def make_archive(folder: Path) -> Path:
    path = folder / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in MEMBERS.items():
            archive.writestr(name, text)
    return path


def loaded(database_url: str) -> tuple[Any, ...]:
    query = (
        "select (select count(*) from observation join store using (store_key) where store_id = 'a'),"
        " (select count(*) from business_hours), (select count(*) from store where timezone is not null)"
    )
    with psycopg.connect(database_url) as conn:
        (found,) = conn.execute(query).fetchall()
    return tuple(found)


@pytest.mark.parametrize("step", STEPS)
def test_by_command(step: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    STEPS[step](monkeypatch)
    results = ingest_paths(database_url, [str(make_archive(tmp_path))])
    states = {result.source.rpartition("/")[2]: result.state for result in results}
    assert states == {name: "failed" if name == "broken.csv" else "succeeded" for name in MEMBERS}
    (failed,) = (result for result in results if result.state == "failed")
    assert "a bug" in (failed.error or "")
    assert loaded(database_url) == (1, 1, 1)


@pytest.mark.parametrize("step", STEPS)
def test_by_http(step: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    STEPS[step](monkeypatch)
    monkeypatch.setattr(importer, "_FIRST_PAUSE_S", 0.01)
    with ingest_service(database_url, tmp_path / "spool") as client:
        sent = client.post(
            "/v1/imports", files={"file": ("all.zip", make_archive(tmp_path).read_bytes(), "application/zip")}
        )
        body = ended(client, sent)
    states = {member["source"].rpartition("/")[2]: member["state"] for member in body["members"]}
    assert states == {name: "failed" if name == "broken.csv" else "succeeded" for name in MEMBERS}
    assert loaded(database_url) == (1, 1, 1)
