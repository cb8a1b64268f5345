"""Files loaded in both ways, by the command and over HTTP, for tests of what becomes of their bytes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.rows import dict_row

from services.ingest.quality_warnings import list_warnings
from services.ingest.run import Limits, LoadOptions, load_source
from services.ingest.watch import Watcher
from shared.settings import Settings
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.database import check_ledger, check_sessions
from tests.integration.ingest.deliveries import Deliver, Files, by_http, pack
from tests.integration.ingest.dry_run_files import make_folder
from tests.integration.ingest.service import ended, ingest_service


@dataclass(frozen=True)
class Loaded:
    """What became of one file: the import's row, its rejected rows as (line, reason), and what the caller was told."""

    row: Mapping[str, Any]
    rejects: list[tuple[int, str]]
    told: str

    @property
    def state(self) -> str:
        return str(self.row["state"])

    @property
    def quality(self) -> Mapping[str, Any]:
        return self.row["quality"] or {}

    @property
    def refusal(self) -> tuple[str, str]:
        """Return the reason and the message of a refused file."""
        error = self.row["error"]
        return error["reason"], error["message"]


LoadFile = Callable[..., Loaded]
_SCOPES = ("admin",)  # of the key that sends files of all kinds


@pytest.fixture(params=["command", "http"])
def load_file(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> LoadFile:
    """Return a function that loads one file, given by its bytes and name; `allow_odd_ids=True` allows odd ids."""
    folder = tmp_path / "files"
    folder.mkdir()

    def by_command(data: bytes, name: str = "file.csv", *, allow_odd_ids: bool = False) -> Loaded:
        (folder / name).write_bytes(data)
        options = ["--allow-odd-ids"] if allow_odd_ids else []
        done = run_ingest(database_url, *options, str(folder / name))
        assert b"Traceback" not in done.stderr
        found = _read_latest(database_url, str(folder / name), done.stderr.decode())
        assert (done.returncode == 0) == (found.state == "succeeded")
        return found

    def by_http(data: bytes, name: str = "file.csv", *, allow_odd_ids: bool = False) -> Loaded:
        with ingest_service(
            database_url, tmp_path / "spool", scopes=_SCOPES, allow_odd_ids=allow_odd_ids
        ) as client:
            body = ended(client, client.post("/v1/imports", params={"name": name}, content=data))
        return _read_latest(database_url, name, str(body))

    return by_command if request.param == "command" else by_http


def _read_latest(database_url: str, source: str, told: str) -> Loaded:
    with psycopg.connect(database_url) as conn, conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "select * from import where source = %s order by id desc limit 1", [source]
        ).fetchall()[0]
        rejects = conn.execute(
            "select line, reason from import_reject where import_id = %s order by line", [row["id"]]
        ).fetchall()
    return Loaded(row, rejects, told)


@pytest.fixture(params=["folder", "zip", "form", "uploaded zip", "watch"])
def deliver(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Deliver]:
    """Bring files as one delivery, in one of the ways there are."""
    turns = iter(range(100))

    def write(files: Files) -> Path:
        folder = tmp_path / f"delivery {next(turns)}"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        return folder

    def by_command(files: Files) -> tuple[str, list[str]]:
        path = write(files)
        if request.param == "zip":
            path = path.with_suffix(".zip")
            path.write_bytes(pack(files))
        done = run_ingest(database_url, str(path))
        text = done.stderr.decode()
        return text, [line for line in text.splitlines() if "warning:" in line]

    def by_watching(files: Files) -> tuple[str, list[str]]:
        found: list[str] = []
        told: list[str] = []

        def load(*args: Any) -> Any:
            result = load_source(database_url, *args, options=LoadOptions(limits=Limits()))
            if result.state != "running":
                found.extend(list_warnings(result.quality or {}))
                told.append(f"{result.state} {result.reason} {result.error}")
            return result

        watcher = Watcher(str(write(files)), Settings.model_validate({"database_url": database_url}), load)
        watcher.check_once()
        watcher.check_once()
        return "\n".join(told), found

    if request.param in {"folder", "zip"}:
        yield by_command
    elif request.param == "watch":
        yield by_watching
    else:
        with ingest_service(database_url, tmp_path / "spool", scopes=_SCOPES) as client:
            yield lambda files: by_http(client, files, as_form=request.param == "form")
    check_ledger(database_url)
    check_sessions(database_url)


@pytest.fixture
def folder(database_url: str, tmp_path: Path) -> Path:
    """Return a folder of files of every kind, after others were loaded."""
    return make_folder(database_url, tmp_path)


@pytest.fixture
def hook_service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    """Return a client of an ingest service with an administrator's key, over two stores: a and b."""
    with ingest_service(database_url, tmp_path / "spool", scopes=("ingest:write", "admin")) as client:
        with psycopg.connect(database_url) as conn:
            conn.execute("insert into store (store_id) values ('a'), ('b')")
        yield client
