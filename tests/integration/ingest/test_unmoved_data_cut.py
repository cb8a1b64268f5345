"""What brings only duplicates or rejected rows leaves the data cut where it was: reports stay shared, caches valid."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.run import load_source
from services.worker.load import Snapshot
from shared.db.queries import queries
from tests.fixtures.ingest_figures import Pipe
from tests.integration.ingest.database import POLLS_HEADER, check_ledger
from tests.integration.ingest.service import ingest_service

FILES = {
    "polls": [POLLS_HEADER, *(f"{store},active,2024-09-02 00:00:00 UTC" for store in "abc")],
    "hours": ["store_id,day,start_time_local,end_time_local", "a,0,01:00,02:00", "b,1,01:00,02:00"],
    "timezones": ["store_id,timezone_str", "a,Asia/Tokyo"],
    "stores": ["store_id,name,timezone,opened_at,region", "a,Alpha,UTC,2024-01-01T00:00:00Z,north", "b,,,,"],
}
OTHERS = {
    "polls": "a,inactive,2024-09-02 00:00:00 UTC",
    "hours": "a,0,03:00,04:00",
    "timezones": "a,Asia/Seoul",
    "stores": "a,Beta,UTC,2024-01-01T00:00:00Z,north",
}


@pytest.fixture
def conn(database_url: str) -> Any:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def cut(conn: psycopg.Connection) -> int:
    """The data cut, which workers take as the state of their cached input."""
    (found,) = conn.execute("select data_cut from ledger_head").fetchone() or (0,)
    row = conn.execute(queries("load")["snapshot"]).fetchone()
    assert row is not None
    assert Snapshot(*row).seq == found
    return int(found)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_comes_again(
    database_url: str, conn: psycopg.Connection, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "file.csv"
    file.write_text("\n".join(FILES[kind]) + "\n")
    load_source(database_url, Pipe(file))  # a pipe cannot be told to hold the bytes of an earlier import
    before = cut(conn)
    assert before > 0
    again = load_source(database_url, Pipe(file))
    assert again.duplicate == len(FILES[kind]) - 1
    assert cut(conn) == before
    file.write_text(f"{FILES[kind][0]}\n{OTHERS[kind]}\n")
    load_source(database_url, Pipe(file))
    assert cut(conn) > before
    check_ledger(database_url)


def test_rows_that_are_rejected(database_url: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("\n".join(FILES["polls"]) + "\n")
    load_source(database_url, Pipe(file))
    before = cut(conn)
    file.write_text("\n".join([*FILES["polls"] * 40, "a,asleep,2024-09-02 00:00:00 UTC"]) + "\n")
    assert load_source(database_url, Pipe(file)).rejected
    assert cut(conn) == before


def test_calls_that_change_nothing(database_url: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    with ingest_service(database_url, tmp_path / "spool") as service:
        before = cut(conn)
        first, again = (
            after_calls(service, conn, "active", "01:00", "Asia/Tokyo", {"region": "north"}) for _ in range(2)
        )
        assert before < first == again
        cuts = [
            after_calls(service, conn, *change)
            for change in (
                ("inactive", "01:00", "Asia/Tokyo", {"region": "north"}),
                ("inactive", "02:00", "Asia/Tokyo", {"region": "north"}),
                ("inactive", "02:00", "Asia/Seoul", {"region": "north"}),
                ("inactive", "02:00", "Asia/Seoul", {}),
            )
        ]
        assert [again, *cuts] == sorted({again, *cuts})


def after_calls(
    service: TestClient, conn: psycopg.Connection, status: str, opens: str, zone: str, labels: dict[str, str]
) -> int:
    """The cut after a poll, hours, a zone and labels of one store were sent."""
    poll = {"store_id": "a", "status": status, "observed_at": "2024-09-02T00:00:00Z"}
    interval = {"day_of_week": 3, "start_time_local": opens, "end_time_local": "06:00"}
    for answer in (
        service.post("/v1/observations", json={"observations": [poll]}),
        service.put("/v1/stores/a/hours", json={"hours": [interval]}),
        service.put("/v1/stores/a/timezone", json={"timezone": zone}),
        service.put("/v1/stores/a/labels", json={"labels": labels}),
    ):
        assert answer.status_code == 200, answer.json()
    return cut(conn)


def test_a_commit_of_the_release_before_moves_it(conn: psycopg.Connection) -> None:
    """That release takes a number without counting what changed nothing."""
    for seq in (1, 2):
        conn.execute("update ledger_head set seq = seq + 1")
        assert cut(conn) == seq
    conn.execute("update ledger_head set seq = seq + 1, unchanged_commits = unchanged_commits + 1")
    assert cut(conn) == 2
