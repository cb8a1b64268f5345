"""The key of a person who signed in by OpenID Connect: what the person may do, without a secret that anyone holds."""

import hashlib
from datetime import timedelta
from typing import Final

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from services.api.oidc.errors import NoRights
from services.api.oidc.groups import GroupRights
from services.api.oidc.person import Person
from shared.audit import record_async
from shared.db.queries import queries
from shared.keys import new_secret
from shared.texts import UNSEEN

_LONGEST_NAME: Final = 120
_SQL = queries("people")


async def key_of_person(
    conn: AsyncConnection, issuer: str, person: Person, rights: GroupRights, longest: timedelta
) -> tuple[str, str | None]:
    """Return the prefix of the person's key with these rights, and that of one that just ended, if any.

    The rights of a key never change: other rights end it, and make its successor. `longest` is how long a session
    lasts. Raises `NoRights` if an operator has revoked a key of the person.
    """
    identity = hashlib.sha256(f"{issuer}\0{person.subject}".encode()).digest()
    given = {"person": identity, "longest": longest}
    await conn.execute(_SQL["lock_person"], given)
    row = await (await conn.execute(_SQL["newest_key"], given)).fetchone()
    prefix, scopes, labels, is_revoked = row or (None, None, None, False)
    if is_revoked:
        raise NoRights("an operator has revoked your access: ask one to give it back")
    if prefix and set(scopes) == set(rights.scopes) and labels == (rights.labels and dict(rights.labels)):
        await conn.execute(_SQL["extend_key"], {**given, "prefix": prefix})
        return str(prefix), None
    if prefix:
        await conn.execute(_SQL["end_key"], {"prefix": prefix})
    made, secret_hash = _new_key()
    name = UNSEEN.sub("", person.name)[:_LONGEST_NAME]
    await conn.execute(
        _SQL["insert_key"],
        {
            **given,
            "prefix": made,
            "hash": secret_hash,
            "name": name,
            "scopes": list(rights.scopes),
            "store_labels": None if rights.labels is None else Jsonb(dict(rights.labels)),
            "replaces": prefix,
        },
    )
    await record_async(
        conn, made, "key.created", made, name=name, scopes=list(rights.scopes), group=rights.group
    )
    return made, prefix


def _new_key() -> tuple[str, bytes]:
    """Return a prefix and the hash of a secret that is thrown away."""
    prefix, secret = new_secret()
    return prefix, hashlib.sha256(secret.encode()).digest()
