"""An Idempotency-Key that names no request is refused by every POST: a sender that relies on it would send twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.integration.ingest.service import ingest_service, problem


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with ingest_service(database_url, tmp_path / "spool") as client:
        yield client


@pytest.mark.parametrize("path", ["/v1/imports", "/v1/observations"])
def test_an_empty_key_is_refused(service: TestClient, path: str) -> None:
    for key in ("", " ", "k" * 256):
        body = problem(service.post(path, json={}, headers={"Idempotency-Key": key}), 400, "bad_header")
        assert "leave the header out" in body["detail"]


def test_a_usable_key_changes_nothing(service: TestClient) -> None:
    poll = {"store_id": "a", "status": "active", "observed_at": "2024-09-02T00:00:00Z"}
    answer = service.post("/v1/observations", json={"observations": [poll]}, headers={"Idempotency-Key": "x"})
    assert answer.json()["accepted"] == 1
