"""`POST /v1/observations`: all or nothing, counted like files, each call with its own counts."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.ingest.http.refuse_live import MAX_WEEKS
from services.ingest.run import Limits, LoadOptions, ingest_paths
from tests.integration.ingest.database import check_ledger, load_polls, observations
from tests.integration.ingest.service import ingest_service, problem

MONDAY = datetime(2024, 9, 2, tzinfo=UTC)


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool") as client:
        yield client


def poll(store: str, minute: int, status: str = "active") -> dict[str, str]:
    return {
        "store_id": store,
        "status": status,
        "observed_at": (MONDAY + timedelta(minutes=minute)).isoformat(),
    }


def send(service: TestClient, *polls: dict[str, str]) -> tuple[int, int, int]:
    answer = service.post("/v1/observations", json={"observations": polls})
    body = answer.json()
    assert answer.status_code == 200, body
    return body["accepted"], body["duplicate"], body["corrected"]


def test_polls_are_counted_like_those_of_a_file(service: TestClient, database_url: str) -> None:
    assert send(service, poll("a", 0), poll("b", 0, " Inactive "), poll("a", 0)) == (2, 1, 0)
    assert send(service, poll("a", 0, "inactive"), poll("a", 0), poll("a", 0)) == (0, 1, 2)
    assert send(service, poll("b", 0, "active"), poll("c", 99)) == (1, 0, 1)
    assert observations(database_url) == {
        ("a", "2024-09-02 00:00:00.000000"): True,
        ("b", "2024-09-02 00:00:00.000000"): True,
        ("c", "2024-09-02 01:39:00.000000"): True,
    }
    check_ledger(database_url)
    (shown,) = service.get("/v1/imports").json()["imports"]
    assert (shown["source"], shown["kind"], shown["state"]) == ("live", "polls", "running")
    assert shown["counts"] == {
        "rows_read": 8, "accepted": 3, "duplicate": 2, "corrected": 3, "rejected": 0
    }  # fmt: skip


def test_every_form_that_is_valid_in_a_file_is_accepted(service: TestClient, database_url: str) -> None:
    forms = [
        {"store_id": " 007 ", "status": "ACTIVE", "timestamp_utc": "2024-09-02 00:00:00.5 UTC"},
        {"store_id": "007", "status": "active", "observed_at": "2024-09-02T02:00:00.5+02:00"},
    ]
    assert send(service, *forms) == (1, 1, 0)
    assert observations(database_url) == {("007", "2024-09-02 00:00:00.500000"): True}


def test_concurrent_calls_each_get_their_own_counts(service: TestClient, database_url: str) -> None:
    calls = [[poll(f"s{n}", minute) for minute in range(50)] for n in range(24)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda polls: send(service, *polls, polls[0]), calls))
        again = list(threads.map(lambda polls: send(service, *polls), calls))
    assert found == [(50, 1, 0)] * 24
    assert again == [(0, 50, 0)] * 24
    check_ledger(database_url)


def test_live_polls_and_files_correct_each_other(
    service: TestClient, database_url: str, tmp_path: Path
) -> None:
    send(service, poll("a", 5), poll("a", 10))
    rows = [("a", "inactive", "2024-09-02 00:05:00 UTC"), ("a", "active", "2024-09-02 00:01:00 UTC")]
    result = load_polls(database_url, tmp_path / "polls.csv", rows)
    assert (result.accepted, result.corrected) == (1, 1)
    assert send(service, poll("a", 5), poll("a", 1)) == (0, 1, 1)
    check_ledger(database_url)


def test_a_week_that_an_import_fills_is_indexed_first(
    service: TestClient, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "polls.csv"
    rows = [f"s{n},active,2024-09-02 00:{n % 60:02}:00 UTC\n" for n in range(600)]
    file.write_text("store_id,status,timestamp_utc\n" + "".join(rows))
    sent: list[tuple[int, int, int]] = []

    def meet(_: object) -> None:
        if not sent:
            sent.append(send(service, poll("s1", 1), poll("s599", 59, "inactive")))

    (result,) = ingest_paths(
        database_url, [str(file)], options=LoadOptions(limits=Limits(chunk_bytes=1000), on_progress=meet)
    )
    assert sent == [(1, 1, 0)]
    assert (result.accepted, result.duplicate, result.corrected) == (599, 0, 1)
    check_ledger(database_url)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"store_id": ""}, "body.observations.1.store_id"),
        ({"store_id": "x" * 1025}, "body.observations.1.store_id"),
        ({"store_id": "a\nb"}, "body.observations.1.store_id"),
        ({"store_id": "a\0b"}, "body.observations.1.store_id"),
        ({"store_id": 7}, "body.observations.1.store_id"),
        ({"status": "open"}, "body.observations.1.status"),
        ({"observed_at": "now"}, "body.observations.1.observed_at"),
        ({"observed_at": "2024-09-02 00:00:00"}, "body.observations.1.observed_at"),
        ({"observed_at": "1999-09-02T00:00:00Z"}, "body.observations.1.observed_at"),
        ({"observed_at": 1725235200}, "body.observations.1.observed_at"),
        ({"colour": "red"}, "body.observations.1.colour"),
    ],
)
def test_one_bad_poll_refuses_the_call(
    service: TestClient, database_url: str, bad: dict[str, Any], field: str
) -> None:
    body = {"observations": [poll("a", 0), poll("b", 0) | bad]}
    refused = problem(service.post("/v1/observations", json=body), 422, "invalid_request")
    assert refused["errors"][0]["field"] == field
    assert refused["errors"][0]["message"]
    assert "Input should" not in refused["detail"], "the words are ours"
    assert observations(database_url) == {}


def test_a_future_poll_refuses_only_its_own_call(service: TestClient, database_url: str) -> None:
    late = poll("a", 0) | {"observed_at": (datetime.now(UTC) + timedelta(minutes=7)).isoformat()}
    soon = poll("a", 0) | {"observed_at": (datetime.now(UTC) + timedelta(minutes=3)).isoformat()}
    calls = [[poll("b", 0), late] if n % 2 else [poll(f"c{n}", 0)] for n in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda polls: service.post("/v1/observations", json={"observations": polls}), calls)
        )
    assert [answer.status_code for answer in answers] == [200, 422] * 4
    assert problem(answers[1], 422, "invalid_request")["field"] == "body.observations.1.observed_at"
    assert send(service, soon) == (1, 0, 0)
    assert {store for store, _ in observations(database_url)} == {"a", "c0", "c2", "c4", "c6"}


def test_invalid_bodies_are_refused(service: TestClient) -> None:
    def post(content: bytes, kind: str = "application/json") -> Any:
        return service.post("/v1/observations", content=content, headers={"Content-Type": kind})

    problem(post(b"a,b", "text/csv"), 415, "unsupported_media_type")
    for body in (b"", b"{", b"[]", b"\xff", b'{"observations": []}'):
        problem(post(body), 422, "invalid_request")
    for body in (b"[" * 1_000_000, b'{"a":' * 100_000):
        problem(post(body), 400, "too_deep")
    problem(post(b" " * (17 << 20)), 413, "body_too_large")
    many = {"observations": [poll("a", 0)] * 10_001}
    problem(service.post("/v1/observations", json=many), 422, "invalid_request")


def test_without_postgres_the_caller_is_asked_to_retry(service: TestClient, database_url: str) -> None:
    send(service, poll("a", 0))
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and application_name = 'uptill-ingest live'"
        )
    answer = service.post("/v1/observations", json={"observations": [poll("a", 1)]})
    if answer.status_code != 200:
        problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"]
    assert send(service, poll("a", 1), poll("a", 2)) in [(2, 0, 0), (1, 1, 0)]
    check_ledger(database_url)


def test_a_call_has_polls_of_few_weeks(service: TestClient, database_url: str) -> None:
    """Each week is a partition, and all writers wait while it is made."""
    week = 7 * 24 * 60
    scattered = [poll("a", -place * week) for place in range(MAX_WEEKS + 1)]
    answer = service.post("/v1/observations", json={"observations": scattered})
    assert problem(answer, 422, "invalid_request")["field"] == "body.observations"
    assert not observations(database_url)
    assert service.post("/v1/observations", json={"observations": scattered[1:]}).is_success
    assert service.post(
        "/v1/observations", json={"observations": [poll("a", n) for n in range(99)]}
    ).is_success
