"""Behind a connection pooler that drops the settings of sessions every service refuses to work, and says why."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.db import own_sessions
from shared.db.connect import borrowed, connect, make_pool
from shared.errors import PooledSessions
from tests.fixtures.pooler import pooler_without_options
from tests.fixtures.services import wait_until
from tests.integration.ingest.service import ingest_service


@pytest.fixture
def pooled_url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(own_sessions, "_refused", (0.0, ""))  # restored at the end, for the next test
    with pooler_without_options(database_url) as url:
        yield url


def test_a_connection_is_refused(pooled_url: str) -> None:
    with pytest.raises(PooledSessions, match="session mode"), connect(pooled_url, application_name="test"):
        pass


def test_a_pool_names_the_reason_once_a_connection_was_refused(pooled_url: str) -> None:
    with make_pool(pooled_url, application_name="test", max_size=1) as pool:
        with pytest.raises(PooledSessions, match="session mode"):
            connect(pooled_url, application_name="test").__enter__()
        with pytest.raises(PooledSessions, match="UPTILL_DATABASE_URL"), borrowed(pool):
            pass


def test_a_service_is_not_ready_and_takes_no_polls(
    pooled_url: str, database_url: str, tmp_path: Path
) -> None:
    with ingest_service(database_url, tmp_path / "spool", behind=pooled_url) as client:
        wait_until(lambda: "session mode" in client.get("/readyz").text, "the reason in /readyz")
        poll = {"store_id": "a", "status": "active", "observed_at": "2024-10-14T10:00:00Z"}
        answers = [client.post("/v1/observations", json={"observations": [poll]}) for _ in range(12)]
    assert {answer.status_code for answer in answers} == {503}
    assert "session mode" in answers[-1].json()["detail"]
