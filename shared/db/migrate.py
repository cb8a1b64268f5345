"""Apply the numbered SQL files of `shared/db/migrations`: each once, in order, in a transaction of its own.

An advisory lock lets one migration run at a time. An applied file that was edited afterwards is refused.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from shared.db.connect import connect
from shared.errors import MigrationError

# "Uptill" in ASCII, as the advisory lock of a database.
_LOCK_ID = 0x5570_7469_6C6C
# A migration that waits longer for a table would block the services behind it.
_LOCK_TIMEOUT = "10s"
_STATEMENT_TIMEOUT = "15min"
_FILE_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


@dataclass(frozen=True)
class Migration:
    """One numbered file. `digest` is the SHA-256 of its text, in hex."""

    version: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known_migrations() -> list[Migration]:
    """Return the migrations of this release, by version."""
    return sorted(
        (
            Migration(int(match[1]), entry.name.removesuffix(".sql"), entry.read_text())
            for entry in files("shared.db.migrations").iterdir()
            if (match := _FILE_NAME.match(entry.name))
        ),
        key=lambda migration: migration.version,
    )


def migrate(database_url: str) -> list[str]:
    """Bring the database to this release's schema and return the names of the migrations applied now.

    Raises `MigrationError` if an applied migration differs from the file of this release, and `DatabaseUnavailable`.
    """
    with connect(
        database_url, application_name="uptill-migrate", statement_timeout_s=0, autocommit=True
    ) as conn:
        conn.execute("select pg_advisory_lock(%s)", [_LOCK_ID])
        conn.execute(
            "create table if not exists schema_migration ("
            " version integer primary key, name text not null, digest text not null,"
            " applied_at timestamptz not null default clock_timestamp())"
        )
        return [migration.name for migration in pending_migrations(conn) if _apply_one(conn, migration)]


def pending_migrations(conn: psycopg.Connection) -> list[Migration]:
    """Return what `migrate` would apply. Raises `MigrationError` for an applied migration that was edited."""
    if conn.execute("select to_regclass('schema_migration') is null").fetchone() == (True,):
        return known_migrations()
    applied = {v: (n, d) for v, n, d in conn.execute("select version, name, digest from schema_migration")}
    pending = []
    for migration in known_migrations():
        if migration.version not in applied:
            pending.append(migration)
        elif applied[migration.version] != (migration.name, migration.digest):
            raise MigrationError(
                f"migration {applied[migration.version][0]} differs from the file of this release; "
                "restore the file and put the change into a new migration"
            )
    return pending


def _apply_one(conn: psycopg.Connection, migration: Migration) -> bool:
    with conn.transaction():
        conn.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
        conn.execute(f"set local statement_timeout = '{_STATEMENT_TIMEOUT}'")
        conn.execute(migration.sql.encode())
        conn.execute(
            "insert into schema_migration (version, name, digest) values (%s, %s, %s)",
            [migration.version, migration.name, migration.digest],
        )
    return True
