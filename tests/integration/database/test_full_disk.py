"""A real full disk under the database: the command, the API and the doctor call it that."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from services.cli.checks import check_database
from services.cli.doctor import Component, run_check
from services.ingest.run import ingest_paths
from services.ingest.write import reconnect
from services.local.servers import Endpoints
from shared.db.migrate import migrate
from shared.errors import DatabaseFull
from shared.explain import explain
from shared.settings import Settings
from tests.fixtures.databases import database_address
from tests.fixtures.small_disk import fill, small_disk

_DISK_KB = 40 * 1024
_ROWS = 200_000


@pytest.fixture
def full_url(servers: Endpoints, tmp_path: Path) -> Iterator[str]:
    """A migrated database in a tablespace whose disk is full."""
    name = f"full_{os.getpid()}"
    with (
        small_disk(tmp_path / "disk", _DISK_KB) as disk,
        psycopg.connect(servers.database_url, autocommit=True) as conn,
    ):
        place = disk / "space"
        place.mkdir(mode=0o700)
        os.chown(place, pwd.getpwnam("nobody").pw_uid, -1)
        conn.execute(f"create tablespace {name} location '{place}'".encode())
        conn.execute(f"create database {name} tablespace {name}".encode())
        url = database_address(servers, name)
        migrate(url)
        filler = fill(disk)
        try:
            yield url
        finally:
            filler.unlink()
            conn.execute(f"drop database {name} with (force)".encode())
            conn.execute(f"drop tablespace {name}".encode())


def test_a_full_disk_is_called_a_full_disk(
    full_url: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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

    given = settings.model_copy(update={"database_url": SecretStr(full_url)})
    one = run_check(Component("database", check_database, "database_url"), given)
    assert (one.ok, one.state) == (False, "the disk of the database is full: free space on it")
    assert one.advice.startswith("free space on the disk of UPTILL_DATABASE_URL (")
