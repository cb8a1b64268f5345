"""Prepare the servers for the services: the database, its schema and logins, the bucket, an API key."""

import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from psycopg import sql
from psycopg.rows import dict_row

from services.local.servers import Endpoints
from shared.db.connect import connect
from shared.db.logins import SHARES, ensure_logins
from shared.db.migrate import migrate
from shared.db.queries import queries
from shared.keys import create_key, matches, prefix_of
from shared.settings import Settings
from shared.storage import make_storage

_DATABASE = "uptill"
_BUCKET = "uptill"


def prepare_database(endpoints: Endpoints) -> str:
    """Create the database if it does not exist, apply the schema, and return the database's URL."""
    with connect(
        endpoints.database_url, application_name="uptill-up", statement_timeout_s=0, autocommit=True
    ) as conn:
        if not conn.execute("select from pg_database where datname = %s", [_DATABASE]).rowcount:
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(_DATABASE)))
    url = urlsplit(endpoints.database_url)._replace(path=f"/{_DATABASE}").geturl()
    migrate(url)
    return url


def prepare_logins(owner_url: str) -> Mapping[str, str]:
    """Give each group role a login with a new password. Return the URLs by role.

    The passwords are not stored, because only the services of this start need them.
    """
    url = urlsplit(owner_url)
    at = url.netloc.rpartition("@")[2]
    logins = {
        role: url._replace(netloc=f"{role}_login:{secrets.token_hex(24)}@{at}").geturl() for role in SHARES
    }
    ensure_logins(owner_url, logins)
    return logins


def prepare_bucket(endpoints: Endpoints) -> str:
    """Create the bucket if it does not exist, and return its name."""
    settings = Settings.model_validate(
        {
            "s3_endpoint": endpoints.s3_endpoint,
            "s3_bucket": _BUCKET,
            "s3_access_key": endpoints.s3_access_key,
            "s3_secret_key": endpoints.s3_secret_key,
        }
    )
    make_storage(settings).ensure_bucket()
    return _BUCKET


def prepare_key(database_url: str, known: str | None) -> str:
    """Return the known API key if it is still valid, else a new one with the scope `admin`."""
    with connect(database_url, application_name="uptill-up") as conn:
        if known is not None and (prefix := prefix_of(known)) is not None:
            row = (
                conn.cursor(row_factory=dict_row)
                .execute(queries("keys")["live_key"], {"prefix": prefix})
                .fetchone()
            )
            if row is not None and matches(known, row["hash"]):
                return known
        return create_key(conn, name="uptill up", scopes=["admin"])
