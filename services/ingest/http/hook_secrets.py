"""The secrets of hooks: checks and stores them, and says what a change makes of the one before."""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from psycopg import AsyncConnection

from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.webhooks.secret import SECRET_PREFIX, key_of_secret, new_secret

SECRET_OVERLAP: Final = timedelta(hours=24)
_LEAST_KEY_BYTES: Final = 16
_SQL = queries("hooks")
SecretChange = Literal["none", "added", "kept", "replaced", "removed"]


@dataclass(frozen=True)
class GivenSecret:
    """The secret that a hook is given, or None, with its scheme, and who gives it."""

    hook: str
    secret: str | None
    scheme: str
    by: str


@dataclass(frozen=True)
class StoredSecret:
    """What became of a hook's secret. `made`: the secret if it was made here. The one before is valid for `overlap_s`."""

    change: SecretChange
    made: str | None = None
    overlap_s: int = 0


async def store_secret(
    conn: AsyncConnection, given: GivenSecret, former_scheme: str | None, *, is_new: bool
) -> StoredSecret:
    """Store the secret of a hook, which is added if it `is_new`. `former_scheme`: of the secret that it has, or None."""
    # A secret of another scheme may not have the form that this one needs.
    is_other = former_scheme != given.scheme
    made = new_secret() if given.scheme != "api_key" and is_other and given.secret is None else None
    overlap = timedelta(0) if is_other else SECRET_OVERLAP
    row = {"name": given.hook, "secret": given.secret or made, "overlap": overlap, "by": given.by}
    if is_new:
        await conn.execute(_SQL["insert_hook"], row)
    elif given.scheme == "api_key":
        await conn.execute(_SQL["drop_hook_secrets"], row)
    elif row["secret"] is None or not await _is_other_secret(conn, row):
        return StoredSecret("kept")
    else:
        await conn.execute(_SQL["replace_hook_secret"], row)
    return StoredSecret(
        _name_change(had_one=former_scheme is not None, has_one=given.scheme != "api_key"),
        made,
        int(overlap.total_seconds()),
    )


def _name_change(*, had_one: bool, has_one: bool) -> SecretChange:
    if has_one:
        return "replaced" if had_one else "added"
    return "removed" if had_one else "none"


async def _is_other_secret(conn: AsyncConnection, row: Mapping[str, Any]) -> bool:
    """Whether the secret differs from the hook's. Storing the same one would end the one before it early."""
    return await (await conn.execute(_SQL["hook_with_secret"], row)).fetchone() is None


def check_secret(scheme: str, secret: str | None) -> None:
    """Raise `InvalidRequest`, whose text does not repeat the secret, if the scheme cannot use it."""
    if secret is None:
        return
    if scheme == "api_key":
        raise InvalidRequest("callers of this hook show API keys: leave secret out", field="body.secret")
    if scheme == "standard_webhooks" and not _is_standard(secret):
        raise InvalidRequest(
            f"the secret is not one of Standard Webhooks: write {SECRET_PREFIX} and at least {_LEAST_KEY_BYTES} bytes in"
            " base64, as the sender shows it",
            field="body.secret",
        )


def _is_standard(secret: str) -> bool:
    try:
        return len(key_of_secret(secret)) >= _LEAST_KEY_BYTES
    except (binascii.Error, ValueError):
        return False
