"""API keys: `upt_<8 id>_<32 random bytes>`, of which the database holds the id and a SHA-256."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from shared.db.queries import queries
from shared.errors import InvalidRequest

SCOPES = ("reports:read", "reports:write", "ingest:write", "metrics:read", "admin")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_SHAPE = re.compile(r"^upt_([a-z0-9]{8})_([A-Za-z0-9_-]{43})$")


@dataclass(frozen=True)
class StoreScope:
    """Which stores a caller may see: those that have all of these labels; None: every store."""

    labels: Mapping[str, str] | None = None


EVERY_STORE = StoreScope()


@dataclass(frozen=True)
class ApiKey:
    """A key as the database knows it; the secret itself is nowhere."""

    prefix: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def allows(self, scope: str) -> bool:
        """Whether the key has the scope; `admin` has all of them."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def visible(self) -> StoreScope:
        """The stores that the key's holder may see, report on and count."""
        return EVERY_STORE


def create_key(
    conn: psycopg.Connection, *, name: str, scopes: Sequence[str], expires_at: datetime | None = None
) -> str:
    """Store a new key and return it; it cannot be shown again. Raises `InvalidRequest` for an unknown scope."""
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise InvalidRequest(
            f"unknown scope {', '.join(unknown)}; there are {', '.join(SCOPES)}", field="scopes"
        )
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    key = f"upt_{prefix}_{secret}"
    conn.execute(
        queries("keys")["insert_key"],
        {
            "prefix": prefix,
            "hash": _hash(key),
            "name": name,
            "scopes": list(scopes),
            "expires_at": expires_at,
        },
    )
    return key


def revoke_key(conn: psycopg.Connection, prefix: str) -> bool:
    """End a key now; false when there is no live key of this prefix."""
    return conn.execute(queries("keys")["revoke_key"], {"prefix": prefix}).rowcount == 1


def list_keys(conn: psycopg.Connection) -> list[ApiKey]:
    """All keys, newest first."""
    with conn.cursor(row_factory=class_row(ApiKey)) as cursor:
        return cursor.execute(queries("keys")["list_keys"]).fetchall()


def prefix_of(key: str) -> str | None:
    """The public part of a well-formed key, else None."""
    match = _SHAPE.match(key)
    return match[1] if match else None


def matches(key: str, stored_hash: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(_hash(key), stored_hash)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
