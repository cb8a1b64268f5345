"""Names are only for display: no upload, file or member is mistaken for something else because of its name."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.run import ingest_paths
from shared.ids import new_id
from tests.integration.ingest.database import check_ledger
from tests.integration.ingest.service import ended, ingest_service

POLLS = b"store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\n"
POLL = {"store_id": "live", "status": "active", "observed_at": "2024-09-02T00:00:00Z"}
NAMES = ["live", "-", "store a", "retention of observation_2024w36", "s3://bucket/key", "upload", "archive"]


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool") as client:
        yield client


def by_origin(service: TestClient) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for shown in service.get("/v1/imports").json()["imports"]:
        found.setdefault(shown["origin"], []).append(shown["source"])
    return found


def test_an_upload_named_live_is_not_the_live_polls(service: TestClient, database_url: str) -> None:
    """Even while it runs, which is when live polls look for their import."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "insert into import (id, origin, kind, source, size_bytes, state, created_by)"
            " values (%s, 'upload', 'polls', 'live', 0, 'running', 'somebody')",
            [new_id()],
        )
        assert service.post("/v1/observations", json={"observations": [POLL]}).status_code == 200
        rows = conn.execute("select origin, state, accepted from import order by origin").fetchall()
        assert rows == [("live", "running", 1), ("upload", "running", 0)]


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_of_any_name_is_an_upload(service: TestClient, database_url: str, name: str) -> None:
    service.post("/v1/observations", json={"observations": [POLL]})
    service.put("/v1/stores/a/timezone?create=true", json={"timezone": "America/Denver"})
    shown = ended(service, service.post("/v1/imports", params={"name": name}, content=POLLS))
    assert (shown["state"], shown["counts"]["rows_read"]) == ("succeeded", 1)
    service.post("/v1/observations", json={"observations": [POLL]})
    assert by_origin(service) == {"upload": [name], "live": ["live"], "change": ["store a"]}
    check_ledger(database_url)


def test_a_file_named_live_does_not_end_the_live_polls(
    service: TestClient, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty file: live polls are an import of 0 bytes that no session holds."""
    service.post("/v1/observations", json={"observations": [POLL]})
    monkeypatch.chdir(tmp_path)
    Path("live").touch()
    (result,) = ingest_paths(database_url, ["live"])
    assert result.state == "failed"
    with psycopg.connect(database_url) as conn:
        rows = conn.execute("select origin, state from import order by origin").fetchall()
    assert rows == [("command", "failed"), ("live", "running")]


@pytest.mark.parametrize("taken", ["upload", "member"])
def test_a_file_does_not_resume_an_import_of_the_same_name(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    """An interrupted upload, and a member of an interrupted archive `all.zip`, have the name of a file in a folder."""
    monkeypatch.chdir(tmp_path)
    Path("all.zip").mkdir()
    Path("all.zip/a.csv").write_bytes(POLLS)
    other, archive = new_id(), new_id()
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "insert into import (id, origin, kind, source, state) values (%s, 'command', 'archive', 'all.zip', 'running')",
            [archive],
        )
        conn.execute(
            "insert into import (id, parent_id, origin, source, size_bytes, state) values (%s, %s, %s, %s, %s, 'running')",
            [
                other,
                archive if taken == "member" else None,
                "upload" if taken == "upload" else "command",
                "all.zip/a.csv",
                len(POLLS),
            ],
        )
    (result,) = ingest_paths(database_url, ["all.zip/a.csv"])
    assert (result.state, result.id == other) == ("succeeded", False)


def test_imports_of_the_previous_release_get_their_origin(database_url: str) -> None:
    """That release does not set the origin; the trigger infers it from the row."""
    inserted = {
        "upload": "(id, source, sha256, size_bytes, state, created_by) values (%s, 'live', 'x', 9, 'queued', 'key')",
        "live": "(id, kind, source, size_bytes) values (%s, 'polls', 'live', 0)",
        "change": "(id, kind, source, state, created_by) values (%s, 'hours', 'store a', 'running', 'key')",
        "command": "(id, kind, source, size_bytes) values (%s, null, 'live', 0)",
        "retention": "(id, kind, source, size_bytes, state) values (%s, 'polls', 'retention of x', 0, 'succeeded')",
    }
    with psycopg.connect(database_url) as conn:
        for origin, statement in inserted.items():
            row = conn.execute(f"insert into import {statement} returning origin, id", [new_id()]).fetchone()
            assert row is not None
            assert row[0] == origin
            member = conn.execute(
                "insert into import (id, parent_id, source, state) values (%s, %s, 'm', 'queued') returning origin",
                [new_id(), row[1]],
            ).fetchone()
            assert member == (origin,)
