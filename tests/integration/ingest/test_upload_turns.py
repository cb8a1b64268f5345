"""One large upload is loaded in turns, whatever pass it is in, and ends with the same rows as in one go."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.http import load_upload
from services.ingest.http.turn import TurnEnded, UploadTurn
from tests.integration.ingest.database import POLLS_HEADER, check_ledger
from tests.integration.ingest.service import ended, ingest_service

ROW = "store-{},active,2024-09-{:02} {:02}:00:00 UTC"


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool", chunk_bytes=1 << 16) as service:
        yield service


def large(stores: int) -> bytes:
    rows = (ROW.format(n, day, hour) for n in range(stores) for day in range(1, 29) for hour in range(24))
    return "\n".join([POLLS_HEADER, *rows]).encode()


def load_beside_another(service: TestClient, database_url: str, name: str, body: bytes) -> None:
    """Load a large upload while one of another key waits, which must end first."""
    whole = service.post(f"/v1/imports?name={name}", content=body)
    with psycopg.connect(database_url) as conn:
        conn.execute("update import set created_by = 'another'")
    small = service.post(
        "/v1/imports?name=small.csv", content=f"{POLLS_HEADER}\n{ROW.format('s', 1, 1)}".encode()
    )
    assert ended(service, small)["counts"]["accepted"] == 1
    assert service.get(whole.headers["location"]).json()["state"] in ("queued", "running")
    shown = ended(service, whole)
    assert (shown["state"], shown["counts"]["rejected"]) == ("succeeded", 0)
    assert shown["progress"]["bytes_done"] == shown["progress"]["bytes_total"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_lets_another_keys_upload_pass(
    service: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch, *, packed: bool
) -> None:
    monkeypatch.setattr(load_upload, "FIRST_TURN_S", 0.0)
    body = large(300)
    load_beside_another(
        service, database_url, "a.csv.gz" if packed else "a.csv", gzip.compress(body, 1) if packed else body
    )
    with psycopg.connect(database_url) as conn:
        ((polls, attempts),) = conn.execute(
            "select (select count(*) from observation), (select max(attempts) from import)"
        )
    assert (polls, attempts) == (300 * 28 * 24 + 1, 0)
    check_ledger(database_url)


def test_progress_of_a_packed_file_has_no_total_until_its_end(service: TestClient) -> None:
    body = gzip.compress(f"{POLLS_HEADER}\nx,y\n{ROW.format(1, 1, 1)}".encode() + b"\nx,y" * 5)
    shown = ended(service, service.post("/v1/imports?name=a.csv.gz", content=body))
    assert shown["state"] == "failed"
    assert shown["progress"] == {**shown["progress"], "bytes_total": None}


@pytest.mark.parametrize("above", [True, False])
def test_blank_lines_refuse_a_file(database_url: str, tmp_path: Path, *, above: bool) -> None:
    blank = b"\n" * (100_000 if above else 2_000_000)
    header = POLLS_HEADER.encode() + b"\n"
    body = gzip.compress(blank + header if above else header + blank)
    with ingest_service(database_url, tmp_path / "spool") as service:
        shown = ended(service, service.post("/v1/imports?name=a.csv.gz", content=body))
    assert (shown["state"], shown["error"]["reason"]) == ("failed", "blank_lines")


def test_a_turn_that_came_to_nothing_makes_the_next_one_longer() -> None:
    turn = UploadTurn(0.0, lambda: True)
    with pytest.raises(TurnEnded):
        turn.end_if_over()
    assert turn.next_length_s == 0.5
    turn.note_commit()
    assert turn.next_length_s == 0.0
    assert UploadTurn(3.0, lambda: True).next_length_s == 6.0


def test_a_turn_lasts_as_long_as_nobody_waits() -> None:
    asked: list[bool] = [False, True]
    turn = UploadTurn(0.0, lambda: asked.pop(0))
    assert not turn.is_over()
    assert asked == [True]
