"""Uploads leave Postgres the disk space to load them: too large ones are refused before or during the upload."""

from collections.abc import Iterator
from pathlib import Path

from services.ingest.http.spool_room import SpoolRoom
from tests.fixtures.services import wait_until
from tests.integration.ingest.service import ended, ingest_service, problem

POLLS = b"store_id,status,timestamp_utc\n" + b"a,active,2024-09-02 00:00:00 UTC\n" * 100
MB = 1 << 20


def left_in(spool: Path) -> list[str]:
    return [entry.name for entry in spool.iterdir() if not entry.name.startswith(".")]


def pieces(count: int) -> Iterator[bytes]:
    """Yield a body without announcing its length."""
    for _ in range(count):
        yield b"a,active,2024-09-02 00:00:00 UTC\n" * (MB // 33)


def test_beyond_the_reserve_nothing_is_received(database_url: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with ingest_service(database_url, spool) as service:
        ended(service, service.post("/v1/imports", content=POLLS))
    free = SpoolRoom(spool, 0, 0).free_bytes()
    with ingest_service(database_url, spool, spool_reserve_bytes=2 * free) as service:
        refused = problem(service.post("/v1/imports", content=POLLS), 507, "storage_full")
        assert "UPTILL_SPOOL_RESERVE_BYTES" in refused["detail"]
        poll = {"store_id": "b", "status": "active", "observed_at": "2024-09-02T00:00:00Z"}
        assert service.post("/v1/observations", json={"observations": [poll]}).status_code == 200
        wait_until(lambda: left_in(spool) == [], "an empty spool")


def test_a_quota_is_kept_before_and_while_an_upload_is_received(database_url: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with ingest_service(database_url, spool, spool_max_bytes=2 * MB) as service:
        announced = service.post("/v1/imports", content=b"x" * (3 * MB))
        refused = problem(announced, 507, "storage_full")
        assert "UPTILL_SPOOL_MAX_BYTES" in refused["detail"]
        problem(service.post("/v1/imports", content=pieces(4)), 507, "storage_full")
        assert left_in(spool) == []
        assert service.get("/v1/imports").json()["imports"] == []
        assert ended(service, service.post("/v1/imports", content=POLLS))["state"] == "succeeded"


def test_loading_waiting_uploads_makes_room(database_url: str, tmp_path: Path) -> None:
    """With a quota that one upload fills, each upload is accepted as soon as the previous one is loaded."""
    with ingest_service(database_url, tmp_path / "spool", spool_max_bytes=len(POLLS) + 100) as service:
        room: SpoolRoom = service.app.state.context.spool.room  # type: ignore[attr-defined]
        for name in "abc":
            ended(service, service.post(f"/v1/imports?name={name}", content=POLLS))
            wait_until(lambda: not room.spooled_bytes, "the upload to leave the spool")
