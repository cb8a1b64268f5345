"""A login for each service: what it may do, what it is refused, and how `migrate` makes it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from secrets import token_hex
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from shared.db.logins import SHARES, ensure_logins
from shared.db.migrate import migrate
from shared.errors import ConfigurationError
from tests.fixtures.logins import login_url
from tests.fixtures.services import wait_until

WRITERS = {  # beside the owner; every other table of these has no writer but ingest
    "api_key": {"uptill_api"},
    "store": {"uptill_ingest"},
    "business_hours": {"uptill_ingest"},
    "adjustment_change": {"uptill_ingest"},
    "early_number": {"uptill_ingest"},
    "calendar": {"uptill_ingest"},
    "closure": {"uptill_ingest"},
    "dated_hours": {"uptill_ingest"},
    "lifetime": {"uptill_ingest"},
    "special_hours": {"uptill_ingest"},
    "superseded_poll": {"uptill_ingest"},
    "superseded_hours": {"uptill_ingest"},
    "superseded_timezone": {"uptill_ingest"},
    "superseded_labels": {"uptill_ingest"},
    "poll_note": {"uptill_ingest"},
    "reason": {"uptill_ingest"},
    "hook": {"uptill_ingest"},
    "hook_version": {"uptill_ingest"},
    "hook_message": {"uptill_ingest"},
    "dropped_week": set(),
    "observation": {"uptill_ingest"},
    "import_chunk": {"uptill_ingest"},
    "import_staged": {"uptill_ingest"},
    "import_pending": {"uptill_ingest"},
    "watched_source": {"uptill_ingest"},
    "kafka_position": {"uptill_ingest"},
    "ledger_head": {"uptill_ingest"},
    "report_file": {"uptill_worker"},
    "schema_migration": set(),
}
ALLOWED = [
    ("uptill_api", "update api_key set last_used_at = now(), expires_at = now(), revoked_at = now()"),
    ("uptill_api", "select from api_key for update"),
    ("uptill_api", "insert into api_key (prefix, hash, name, scopes) values ('12345678', sha256(''), 'x', '{}')"),
    ("uptill_ingest", "update api_key set last_used_at = now()"),
    ("uptill_worker", "select drop_oldest_week('2000-01-01', gen_random_uuid())"),
    ("uptill_worker", "select * from forget_imports('2000-01-01', 10)"),
    ("uptill_readonly", "select coalesce(extract(epoch from clock_timestamp() - min(due_since)), 0) from due_batch"),
]  # fmt: skip
REFUSED = [
    *(("uptill_api", f"update api_key set {column} = {column}")
      for column in ("prefix", "hash", "name", "scopes", "store_labels", "created_at", "replaces")),
    ("uptill_api", "delete from api_key"),
    ("uptill_api", "update audit set actor = actor"),
    ("uptill_api", "delete from audit"),
    ("uptill_api", "select secret from webhook_endpoint"),
    ("uptill_api", "select from hook"),
    ("uptill_worker", "select from hook"),
    ("uptill_readonly", "select secret from hook"),
    ("uptill_ingest", "update hook_version set version = version"),
    ("uptill_api", "delete from report"),
    ("uptill_api", "select ensure_observation_partition(now())"),
    ("uptill_ingest", "update api_key set scopes = scopes"),
    ("uptill_ingest", "update api_key set revoked_at = now()"),
    ("uptill_ingest", "insert into api_key (prefix, hash, name, scopes) values ('12345678', sha256(''), 'x', '{}')"),
    ("uptill_ingest", "select from report"),
    ("uptill_ingest", "update report set state = state"),
    ("uptill_ingest", "delete from observation"),
    ("uptill_ingest", "select drop_oldest_week('2000-01-01', gen_random_uuid())"),
    ("uptill_worker", "select hash from api_key"),
    ("uptill_worker", "update api_key set revoked_at = now()"),
    ("uptill_worker", "insert into observation values (1, now(), true)"),
    ("uptill_worker", "delete from import"),
    ("uptill_worker", "update audit set actor = actor"),
    ("uptill_readonly", "select from api_key"),
    ("uptill_readonly", "update report set state = state"),
    *((role, statement) for role in SHARES for statement in (
        "create role another", "drop table report", "truncate report", "create table public.another ()",
        "alter table report disable trigger all", "select rolpassword from pg_authid",
        "select pg_read_file('postmaster.pid')", "set role uptill", "copy report to program 'true'")),
]  # fmt: skip


@pytest.fixture
def names(database_url: str) -> Iterator[dict[str, str]]:
    """Addresses of logins that are not there yet, by role; dropped at the end."""
    made = {role: _with_user(database_url, f"{role}_{token_hex(4)}", token_hex(8)) for role in SHARES}
    yield made
    with psycopg.connect(database_url, autocommit=True) as conn:
        for url in made.values():
            conn.execute(
                sql.SQL("drop role if exists {}").format(sql.Identifier(urlsplit(url).username or ""))
            )


def _with_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}").geturl()


@pytest.mark.parametrize("role", SHARES)
def test_each_may_do_what_its_service_does(role: str, database_url: str) -> None:
    with psycopg.connect(login_url(database_url, role)) as conn:
        for other, statement in ALLOWED:
            if other == role:
                conn.execute(statement.encode())


@pytest.mark.parametrize("role", SHARES)
def test_each_is_refused_what_its_service_does_not_do(role: str, database_url: str) -> None:
    with psycopg.connect(login_url(database_url, role), autocommit=True) as conn:
        for other, statement in REFUSED:
            if other == role:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(statement.encode())


def test_no_table_has_a_writer_that_it_should_not_have(database_url: str) -> None:
    query = """
        select relname, rolname, kind from pg_class, pg_roles,
            unnest('{INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) kind
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v') and rolname = any(%s)
            and (has_table_privilege(rolname, pg_class.oid, kind)
                 or kind in ('INSERT', 'UPDATE', 'REFERENCES') and has_any_column_privilege(rolname, pg_class.oid, kind))
    """
    with psycopg.connect(database_url) as conn:
        found = set(conn.execute(query, [list(SHARES)]).fetchall())
        owners = conn.execute(
            "select distinct tableowner from pg_tables where schemaname = 'public'"
        ).fetchall()
    assert owners == [("uptill",)]
    assert not {one for one in found if one[2] in ("TRUNCATE", "REFERENCES", "TRIGGER")}
    assert not {one for one in found if one[1] == "uptill_readonly"}
    assert not {one for one in found if one[0] in ("audit", "api_key") and one[2] == "DELETE"}
    assert not {one for one in found if one[0] == "audit" and one[2] == "UPDATE"}
    may_note_use = {("api_key", "uptill_ingest", "UPDATE")}  # of last_used_at alone, as the lists above say
    for table, writers in WRITERS.items():
        writing = {role for name, role, kind in found - may_note_use if name == table}
        assert writing <= writers, table


def test_a_login_is_made_once_and_then_only_changed(database_url: str, names: dict[str, str]) -> None:
    made = ensure_logins(database_url, names)
    assert ensure_logins(database_url, names) == made
    changed = {role: _with_user(url, urlsplit(url).username or "", "another") for role, url in names.items()}
    ensure_logins(database_url, changed)
    for role, url in changed.items():
        with psycopg.connect(url) as conn:
            row = conn.execute(
                "select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication, rolconnlimit,"
                " (select array_agg(roleid::regrole::text) from pg_auth_members where member = r.oid)"
                " from pg_roles r where rolname = current_user"
            ).fetchone()
        assert row == (False, False, False, False, False, int(SHARES[role] * 200), [role])
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(names[role])


@pytest.mark.parametrize("command", [["shared.db"], ["services.cli", "migrate"]], ids=" ".join)
def test_migrating_makes_the_logins_that_the_settings_name(
    command: list[str], database_url: str, names: dict[str, str]
) -> None:
    given = {
        f"UPTILL_{role.removeprefix('uptill_').upper()}_DATABASE_URL": url for role, url in names.items()
    }
    ended = subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, **given, "UPTILL_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for url in names.values():
        assert str(urlsplit(url).password) not in ended.stdout + ended.stderr
        psycopg.connect(url).close()


def test_a_login_that_had_another_role_loses_it(database_url: str, names: dict[str, str]) -> None:
    ensure_logins(database_url, {"uptill_worker": names["uptill_api"]})
    ensure_logins(database_url, {"uptill_api": names["uptill_api"]})
    with psycopg.connect(names["uptill_api"]) as conn:
        conn.execute("select from api_key")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("select from webhook_secret where previous_secret is null")


def test_logins_of_another_database_on_the_server_cause_no_deadlock(
    database_url: str, names: dict[str, str]
) -> None:
    ensure_logins(database_url, {"uptill_worker": names["uptill_api"]})
    with ThreadPoolExecutor(1) as threads, psycopg.connect(database_url) as other:
        other.execute("create role of_another_database")
        other.execute("grant uptill_api to of_another_database")
        # Takes the one role away, and then waits for the other.
        change = threads.submit(ensure_logins, database_url, {"uptill_api": names["uptill_api"]})
        blocked = "select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
        wait_until(lambda: other.execute(blocked).rowcount, "the change to wait")
        other.execute("grant uptill_worker to of_another_database")
        other.rollback()
        assert len(change.result()) == 1


@pytest.mark.parametrize(
    ("user", "password", "told"),
    [
        ("uptill", "x" * 20, "UPTILL_API_DATABASE_URL names 'uptill', which owns the database"),
        ("", "", "UPTILL_API_DATABASE_URL must name a user and a password"),
        ("someone", "secret", "UPTILL_API_DATABASE_URL uses a well-known password"),
    ],
)
def test_what_is_no_login_is_refused(database_url: str, user: str, password: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        ensure_logins(database_url, {"uptill_api": _with_user(database_url, user, password)})


def test_an_owner_that_is_no_superuser_is_enough(empty_database_url: str, names: dict[str, str]) -> None:
    """As with a managed Postgres. The group roles are of the whole server, so it is given them."""
    owner = f"owner_{token_hex(4)}"
    name = sql.Identifier(urlsplit(empty_database_url).path[1:])
    with psycopg.connect(empty_database_url, autocommit=True) as conn, ExitStack() as cleanup:
        conn.execute(
            sql.SQL("create role {} login createrole password 'of-a-test'").format(sql.Identifier(owner))
        )
        cleanup.callback(conn.execute, sql.SQL("drop role {}").format(sql.Identifier(owner)))
        for role in SHARES:
            grant = sql.SQL("grant {} to {} with admin option")
            conn.execute(grant.format(sql.Identifier(role), sql.Identifier(owner)))
        conn.execute(sql.SQL("alter database {} owner to {}").format(name, sql.Identifier(owner)))
        cleanup.callback(conn.execute, sql.SQL("drop owned by {} cascade").format(sql.Identifier(owner)))
        cleanup.callback(conn.execute, sql.SQL("alter database {} owner to uptill").format(name))
        owner_url = _with_user(empty_database_url, owner, "of-a-test")
        migrate(owner_url)
        ensure_logins(owner_url, names)
        for url in names.values():
            with psycopg.connect(url) as login:
                login.execute("select from report_shown" if "_api" in url else "select from schema_migration")
            with suppress(psycopg.Error):
                conn.execute(sql.SQL("drop role {}").format(sql.Identifier(urlsplit(url).username or "")))


def test_one_service_cannot_take_the_connections_of_the_others(
    database_url: str, names: dict[str, str]
) -> None:
    ensure_logins(database_url, names)
    greedy = names["uptill_ingest"]
    with ExitStack() as held:
        for _ in range(int(SHARES["uptill_ingest"] * 200)):
            held.enter_context(psycopg.connect(greedy))
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(greedy)
        for url in (database_url, names["uptill_api"], names["uptill_worker"]):
            held.enter_context(psycopg.connect(url))
