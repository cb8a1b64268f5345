"""How long the oldest upload has waited is always told: by the service's readiness, and by the doctor that asks it."""

from collections.abc import Mapping
from pathlib import Path

import psycopg

from services.cli.checks import check_ingest
from services.cli.doctor import CheckedComponent, run_check
from services.local.ports import free_ports
from shared.settings import Settings
from tests.fixtures.services import Services, wait_until
from tests.integration.ingest.service import ended, ingest_service

POLLS = b"store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\n"


def test_readiness_tells_the_age_while_an_upload_waits_and_afterwards(
    database_url: str, tmp_path: Path
) -> None:
    with (
        psycopg.connect(database_url, autocommit=True) as conn,
        ingest_service(database_url, tmp_path / "spool") as service,
    ):

        def age_s() -> float:
            body = service.get("/readyz").json()
            assert body["status"] == "ok"
            return float(body["oldest_queued_import_age_s"])

        assert age_s() == 0
        conn.execute("select pg_advisory_lock(hashtextextended('uptill.ingest', 0))")
        waiting = service.post("/v1/imports", content=POLLS)
        wait_until(lambda: age_s() > 1, "the age to grow")
        conn.execute("select pg_advisory_unlock(hashtextextended('uptill.ingest', 0))")
        assert ended(service, waiting)["state"] == "succeeded"
        wait_until(lambda: age_s() == 0, "the age to be 0 again")


def test_the_doctor_asks_the_ingest_service(env: Mapping[str, str], tmp_path: Path) -> None:
    with Services({**env, "UPTILL_SPOOL_DIR": str(tmp_path / "spool")}, tmp_path) as services:
        services.serve("services.ingest.http")
        assert check_ingest(Settings(ingest_url=env["UPTILL_API_URL"])) == ("ok", "")
    [port] = free_ports(1)
    away = run_check(
        CheckedComponent("ingest", check_ingest, "ingest_url"),
        Settings(ingest_url=f"http://127.0.0.1:{port}"),
    )
    assert "Connection refused" in away.state
    assert away.advice == f"start it, or correct UPTILL_INGEST_URL (127.0.0.1:{port})"
