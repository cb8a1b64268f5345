"""Create the services' database logins. Each is a member of one group role and has only the rights of that role.

A login comes as a URL with user and password, which the service gets as `UPTILL_DATABASE_URL`. Must not know which
service uses it.
"""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from shared.db.connect import connect
from shared.errors import ConfigurationError
from shared.settings import PREFIX, Settings
from shared.weak_passwords import refuse_default_password

# The share of the server's connections that a login may hold. Together 92 %: the rest stays free for operators.
SHARES: Mapping[str, float] = {
    "uptill_api": 0.30,
    "uptill_ingest": 0.15,
    "uptill_worker": 0.45,
    "uptill_readonly": 0.02,
}
# People write the queries of this role. A setting of a group role does not reach its members, so the login has them.
_READERS: Mapping[str, Mapping[str, str]] = {
    "uptill_readonly": {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "60s"}
}


def login_settings(settings: Settings) -> dict[str, str]:
    """Return the URLs in `UPTILL_API_DATABASE_URL` and the like, by group role, without unset ones."""
    given = {role: getattr(settings, _setting_of(role)).get_secret_value() for role in SHARES}
    return {role: url for role, url in given.items() if url}


def ensure_logins(owner_url: str, logins: Mapping[str, str]) -> list[str]:
    """Create each login, or update the password and rights of an existing one. Return their names.

    `logins` maps a group role to the login's URL. Safe to repeat, also while services are connected and
    after it was cut off. Raises `DatabaseUnavailable`, and `ConfigurationError` for an unusable URL or an owner without
    CREATEROLE.
    """
    names = {role: _user_and_password(role, url) for role, url in logins.items()}
    try:
        # Roles belong to the whole server. One statement a transaction holds the lock of one role at a time, so
        # the logins of two databases cannot wait for each other.
        with connect(owner_url, application_name="uptill-logins", autocommit=True) as conn:
            for role, (name, password) in names.items():
                _ensure_login(conn, role, name, password)
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"the database's owner cannot create the services' logins ({error.diag.message_primary});"
            " give it CREATEROLE, or create them by hand as docs/how-to/kubernetes.md shows"
        ) from None
    return [name for name, _ in names.values()]


def _ensure_login(conn: psycopg.Connection, role: str, name: str, password: str) -> None:
    row = conn.execute("select rolsuper or rolname = current_user from pg_roles where rolname = %s", [name])
    known = row.fetchone()
    if known == (True,):
        raise ConfigurationError(
            f"{PREFIX}{_setting_of(role).upper()} names {name!r}, which owns the database or is a superuser;"
            " give the service a user of its own"
        )
    login = sql.Identifier(name)
    if known is None:
        conn.execute(sql.SQL("create role {}").format(login))
    # The server sees and logs the hash, never the password.
    verifier = conn.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    conn.execute(
        sql.SQL("alter role {} login password {} connection limit {}").format(
            login, sql.Literal(verifier), sql.Literal(_most_connections(conn, role))
        )
    )
    for other in SHARES.keys() - {role}:
        if _is_member(conn, name, other):
            conn.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(other), login))
    if not _is_member(conn, name, role):
        conn.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), login))
    # The owner's functions see and end the sessions of frozen clients. A superuser may without a grant.
    if conn.execute("select where not pg_has_role(%s, 'usage')", [name]).rowcount:
        conn.execute(sql.SQL("grant {} to current_user").format(login))
    _limit_statements(conn, role, name)


def _limit_statements(conn: psycopg.Connection, role: str, name: str) -> None:
    """Set the limits of a role for people. Limits that an operator has set stay."""
    row = conn.execute(
        "select array(select split_part(unnest(setconfig), '=', 1)"
        " from pg_db_role_setting where setrole = %s::regrole)",
        [_quote_name(name)],
    ).fetchone()
    limits = _READERS.get(role, {})
    for setting in limits.keys() - set(row[0] if row else ()):
        statement = sql.SQL("alter role {} set {} = {}")
        conn.execute(
            statement.format(sql.Identifier(name), sql.Identifier(setting), sql.Literal(limits[setting]))
        )


def _most_connections(conn: psycopg.Connection, role: str) -> int:
    row = conn.execute("select current_setting('max_connections')::integer").fetchone()
    return max(2, int(SHARES[role] * row[0])) if row else 2


def _is_member(conn: psycopg.Connection, name: str, role: str) -> bool:
    return bool(
        conn.execute(
            "select from pg_auth_members where roleid = %s::regrole and member = %s::regrole",
            [_quote_name(role), _quote_name(name)],
        ).rowcount
    )


def _quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _setting_of(role: str) -> str:
    return f"{role.removeprefix('uptill_')}_database_url"


def _user_and_password(role: str, url: str) -> tuple[str, str]:
    variable = f"{PREFIX}{_setting_of(role).upper()}"
    refuse_default_password(variable, url)
    try:
        parts = urlsplit(url)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        user = password = ""
    if not user or not password:
        raise ConfigurationError(
            f"{variable} must name a user and a password, as postgresql://user:password@host:5432/database"
        )
    return user, password
