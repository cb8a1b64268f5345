"""Behind PgBouncer every service refuses to work and says what to set, unless each client has a session of its own."""

from pathlib import Path

import psycopg
import pytest

from shared.db import own_sessions
from shared.db.connect import borrowed, connect, make_pool
from shared.errors import PooledSessions
from tests.fixtures.pgbouncer import PoolMode, pgbouncer
from tests.fixtures.services import wait_until
from tests.integration.ingest.service import ingest_service

pytestmark = pytest.mark.pooler
# What PgBouncer cannot pass on, as settings of the database instead.
_SETTINGS = ("timezone = 'UTC'", "idle_in_transaction_session_timeout = '10s'")


@pytest.fixture(autouse=True)
def nothing_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_sessions, "_refused", (0.0, ""))  # restored at the end, for the next test


@pytest.fixture
def configured_url(database_url: str) -> str:
    """A database whose sessions have the settings that Uptill checks, whoever opens them."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        for setting in _SETTINGS:
            conn.execute(f"alter database {conn.info.dbname} set {setting}".encode())
    return database_url


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_one_that_refuses_the_settings_is_named(database_url: str, tmp_path: Path, mode: PoolMode) -> None:
    with (
        pgbouncer(database_url, tmp_path, mode) as url,
        pytest.raises(PooledSessions, match="UPTILL_DATABASE_URL"),
        connect(url, application_name="test"),
    ):
        pass


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_one_that_drops_the_settings_is_refused(database_url: str, tmp_path: Path, mode: PoolMode) -> None:
    with (
        pgbouncer(database_url, tmp_path, mode, ignores_options=True) as url,
        pytest.raises(PooledSessions, match="lack the settings"),
        connect(url, application_name="test"),
    ):
        pass


def test_one_that_shares_sessions_is_refused_even_if_they_have_the_settings(
    configured_url: str, tmp_path: Path
) -> None:
    with (
        pgbouncer(configured_url, tmp_path, "transaction", ignores_options=True) as url,
        pytest.raises(PooledSessions, match="shared with other clients"),
        connect(url, application_name="test"),
    ):
        pass


@pytest.mark.parametrize("pool_size", [1, 4])
def test_one_in_session_mode_is_used_if_the_sessions_have_the_settings(
    configured_url: str, tmp_path: Path, pool_size: int
) -> None:
    with (
        pgbouncer(configured_url, tmp_path, "session", ignores_options=True, pool_size=pool_size) as url,
        make_pool(url, application_name="test", max_size=1) as pool,
    ):
        for _ in range(12):
            with borrowed(pool) as conn:
                assert conn.execute("select %s::integer", [1]).fetchone() == (1,)


def test_a_service_behind_it_is_not_ready_and_loses_no_poll(database_url: str, tmp_path: Path) -> None:
    with (
        pgbouncer(database_url, tmp_path, "transaction") as url,
        ingest_service(database_url, tmp_path / "spool", behind=url) as client,
    ):
        wait_until(lambda: "session mode" in client.get("/readyz").text, "the reason in /readyz")
        poll = {"store_id": "a", "status": "active", "observed_at": "2024-10-14T10:00:00Z"}
        answers = [client.post("/v1/observations", json={"observations": [poll]}) for _ in range(12)]
    assert {answer.status_code for answer in answers} == {503}
    assert "session mode" in answers[-1].json()["detail"]
