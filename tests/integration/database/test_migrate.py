"""`migrate` on a real database: empty, again, at once, and after a file was edited."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from shared.db.connect import connect
from shared.db.migrate import known_migrations, migrate, pending_migrations
from shared.errors import DatabaseUnavailable, MigrationError

ALL = [migration.name for migration in known_migrations()]


def test_an_empty_database_gets_every_migration_and_the_second_time_none(empty_database_url: str) -> None:
    assert migrate(empty_database_url) == ALL
    assert migrate(empty_database_url) == []


def test_two_at_once_apply_each_migration_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        applied = list(threads.map(migrate, [empty_database_url] * 2))
    assert sorted(applied) == [[], ALL]


def test_pending_counts_what_migrate_would_apply(empty_database_url: str) -> None:
    with connect(empty_database_url, application_name="test") as conn:
        assert [migration.name for migration in pending_migrations(conn)] == ALL
    migrate(empty_database_url)
    with connect(empty_database_url, application_name="test") as conn:
        assert pending_migrations(conn) == []


def test_an_edited_migration_is_refused(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute("update schema_migration set digest = 'other' where version = 1")
    with pytest.raises(MigrationError, match="0001_initial"):
        migrate(database_url)


def test_versions_are_gapless() -> None:
    versions = [migration.version for migration in known_migrations()]
    assert versions == list(range(1, len(versions) + 1))


def test_a_database_that_is_away_is_said_to_be_away(database_url: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        migrate(psycopg.conninfo.make_conninfo(database_url, port=1))


def test_the_ingest_role_adds_partitions_and_the_worker_role_cannot_write_polls(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute("set local role uptill_ingest")
        partition = conn.execute("select * from ensure_observation_partition('2024-12-31 12:00Z')").fetchone()
        assert partition == ("observation_2025w01", True)
        assert conn.execute("select * from ensure_observation_partition('2025-01-05 23:59Z')").fetchone() == (
            "observation_2025w01",
            False,
        )
        conn.execute("insert into observation values (1, '2024-12-31 12:00Z', true)")
        conn.execute("set local role uptill_worker")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("insert into observation values (1, '2024-12-31 13:00Z', true)")
