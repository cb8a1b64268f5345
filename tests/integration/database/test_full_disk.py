"""A real full disk under the database: the command, the API and the doctor call it that."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.cli.checks import check_database
from services.cli.doctor import CheckedComponent, run_check
from services.ingest.run import ingest_paths
from services.ingest.write import reconnect
from services.local.ports import PortReservation
from services.local.postgres import Postgres
from services.local.processes import ProcessSet
from shared.db.migrate import migrate
from shared.errors import DatabaseFull
from shared.explain import explain
from shared.settings import Settings
from tests.fixtures.services import wait_until
from tests.fixtures.small_disk import fill, small_disk

_DISK_KB = 256 * 1024
_ROWS = 200_000


@pytest.fixture
def full_url(tmp_path: Path) -> Iterator[str]:
    """A migrated database of a server of its own, whose disk is full."""
    with (
        small_disk(tmp_path / "disk", _DISK_KB) as disk,
        PortReservation(["postgres"], {}) as reserved,
        ProcessSet(tmp_path / "logs") as processes,
    ):
        server = Postgres(disk, reserved.ports["postgres"], "a-password-of-this-test", durable=False)
        server.start(processes)
        wait_until(server.is_ready, "Postgres")
        migrate(server.url())
        filler = fill(disk)
        yield server.url()
        filler.unlink()


def test_a_full_disk_is_called_a_full_disk(
    full_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = tmp_path / "polls.csv"
    with polls.open("w") as file:
        file.write("store_id,status,timestamp_utc\n")
        for n in range(_ROWS):
            day, rest = divmod(n, 86_400)
            file.write(
                f"s{n % 997},active,2024-10-{day + 10:02} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02} UTC\n"
            )
    monkeypatch.setattr(reconnect, "PATIENCE_S", 0.5)
    with pytest.raises(DatabaseFull) as caught:
        ingest_paths(full_url, [str(polls)])
    assert "the disk of the database is full" in str(caught.value)
    assert "No space left on device" in explain(caught.value)
    assert "UPTILL_DATABASE_URL" in explain(caught.value)

    one = run_check(
        CheckedComponent("database", check_database, "database_url"),
        Settings(database_url=SecretStr(full_url)),
    )
    assert (one.ok, one.state) == (False, "the disk of the database is full: free space on it")
    assert one.advice.startswith("free space on the disk of UPTILL_DATABASE_URL (")
