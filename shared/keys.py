"""API keys: `upt_<8 characters of id>_<32 random bytes>`. The database stores the id and a SHA-256.

A key's scopes limit what it may do; its store labels limit which stores it sees.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.audit import record
from shared.db.queries import queries
from shared.errors import InvalidRequest, KeyNotFound, KeyReplaced
from shared.labels import checked_labels
from shared.texts import quoted, seen

SCOPES = ("reports:read", "reports:write", "closures:write", "ingest:write", "metrics:read", "admin")
SCOPES_OF_LIMITED_KEYS = frozenset({"reports:read", "reports:write", "closures:write"})
OVERLAP = timedelta(days=1)
LAST_EXPIRY = datetime(2100, 12, 31, 23, 59, 59, tzinfo=UTC)  # shared/db/sql/keys.sql has it too
KEY_ID = "^[a-z0-9]{8}$"  # the public part of a key
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_SHAPE = re.compile(r"upt_([a-z0-9]{8})_([A-Za-z0-9_-]{43})")
_SQL = queries("keys")


@dataclass(frozen=True)
class StoreScope:
    """The stores a caller may see: those with all of these labels. None means every store."""

    labels: Mapping[str, str] | None = None


EVERY_STORE = StoreScope()


@dataclass(frozen=True)
class ApiKey:
    """A key as stored, without its secret."""

    prefix: str
    name: str
    scopes: list[str]
    store_labels: dict[str, str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def allows(self, scope: str) -> bool:
        """Whether the key has the scope. `admin` includes all scopes."""
        return scope in self.scopes or "admin" in self.scopes

    @property
    def visible(self) -> StoreScope:
        """The stores that the key may see and report on."""
        return StoreScope(self.store_labels)


@dataclass(frozen=True)
class KeyTerms:
    """What a new key may do, on which stores, and until when. Raises `InvalidRequest` for invalid terms."""

    name: str
    scopes: Sequence[str]
    store_labels: Mapping[str, str] | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.scopes) - set(SCOPES)):
            raise InvalidRequest(
                f"unknown scope {', '.join(unknown)}: use any of {', '.join(SCOPES)}", field="scopes"
            )
        try:
            seen(self.name)
        except ValueError as error:
            raise InvalidRequest(str(error), field="name") from None
        if self.expires_at is not None and self.expires_at > LAST_EXPIRY:
            raise InvalidRequest(
                f"expires_at is after the year {LAST_EXPIRY.year}: leave it out for a key that does not expire",
                field="expires_at",
            )
        if self.store_labels is None:
            return
        try:
            checked_labels(self.store_labels)
        except ValueError as error:
            raise InvalidRequest(str(error), field="store_labels") from None
        if not self.store_labels:
            raise InvalidRequest(
                "store_labels is empty: give at least 1 label, or leave it out for every store",
                field="store_labels",
            )
        if beyond := sorted(set(self.scopes) - SCOPES_OF_LIMITED_KEYS):
            raise InvalidRequest(
                f"a key limited to some stores cannot have the scope {', '.join(beyond)}: leave out the scope or store_labels",
                field="scopes",
            )


def create_key(
    conn: psycopg.Connection,
    *,
    name: str,
    scopes: Sequence[str],
    store_labels: Mapping[str, str] | None = None,
    expires_at: datetime | None = None,
    actor: str = "command",
) -> str:
    """Create a key and return it. It cannot be shown again.

    Raises `InvalidRequest` as `KeyTerms` does, and if `expires_at` has passed.
    """
    terms = KeyTerms(name, scopes, store_labels, expires_at)
    prefix, key = new_secret()
    labels = None if terms.store_labels is None else Jsonb(dict(terms.store_labels))
    inserted = conn.execute(
        _SQL["insert_key"],
        {
            "prefix": prefix,
            "hash": _hash(key),
            "name": terms.name,
            "scopes": list(terms.scopes),
            "store_labels": labels,
            "expires_at": terms.expires_at,
        },
    )
    if inserted.rowcount == 0:
        raise InvalidRequest(
            "expires_at is in the past: use a later instant, or leave it out", field="expires_at"
        )
    record(conn, actor, "key.created", prefix, name=name, scopes=list(scopes))
    return key


def rotate_key(
    conn: psycopg.Connection, prefix: str, *, overlap: timedelta = OVERLAP, actor: str = "command"
) -> str:
    """Create a successor of a live key and return it. The old key ends after `overlap`.

    Raises `KeyNotFound`, and `KeyReplaced` if the key already has a successor.
    """
    new_prefix, key = new_secret()
    values = {"prefix": prefix, "new_prefix": new_prefix, "hash": _hash(key), "overlap": overlap}
    if conn.execute(_SQL["lock_live_key"], values).rowcount == 0:
        raise KeyNotFound(f"no live API key has the prefix {quoted(prefix)}: list the keys to find it")
    ((replaced,),) = conn.execute(_SQL["has_successor"], values)
    if replaced:
        raise KeyReplaced(f"the key {prefix} already has a successor: rotate the successor")
    for statement in ("insert_successor", "end_after", "revoke_predecessor"):
        conn.execute(_SQL[statement], values)
    record(conn, actor, "key.rotated", prefix, successor=new_prefix)
    return key


def revoke_key(conn: psycopg.Connection, prefix: str, *, actor: str = "command") -> bool:
    """End a key now. Return False if no live key has this prefix."""
    revoked = conn.execute(_SQL["revoke_key"], {"prefix": prefix}).rowcount == 1
    if revoked:
        record(conn, actor, "key.revoked", prefix)
    return revoked


def list_keys(conn: psycopg.Connection) -> list[ApiKey]:
    """Return all keys, newest first."""
    with conn.cursor(row_factory=class_row(ApiKey)) as cursor:
        return cursor.execute(_SQL["list_keys"]).fetchall()


def prefix_of(key: str) -> str | None:
    """Return the public part of a well-formed key, else None."""
    match = _SHAPE.fullmatch(key)
    return match[1] if match else None


def new_secret() -> tuple[str, str]:
    """Return a random prefix and the key that begins with it."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return prefix, f"upt_{prefix}_{secret}"


def matches(key: str, stored_hash: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(_hash(key), stored_hash)


def constant_time_equal(given: str, expected: str) -> bool:
    """Compare secrets without telling by the time taken how much of them is equal."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
