"""Sets, lists and removes hooks and their secrets."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.ingest.http.hook_secrets import GivenSecret, StoredSecret, check_secret, store_secret
from services.ingest.http.schemas_hook_signature import HookSignatureBody
from shared.audit import record_async
from shared.db.queries import queries
from shared.errors import HookNotFound, InvalidRequest, LimitReached
from shared.reason_words import fold_reason
from shared.texts import quoted
from shared.webhooks.secret import new_secret

MAX_HOOKS: Final = 100
_SHOWN_VERSIONS: Final = 100
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SQL, _NOTES = queries("hooks"), queries("notes")


@dataclass(frozen=True)
class HookRow:
    """A hook without its secret. `document` has its description, preset, mapping and signature.

    `calls` counts calls that were stored, `rejected` their rejected items. `rejects_import` has the latest
    of these. `ignored_calls` counts calls in which no item was wanted.
    """

    name: str
    version: int
    document: dict[str, Any]
    has_secret: bool
    previous_secret_until: datetime | None
    changed_by: str | None
    changed_at: datetime
    calls: int
    last_call_at: datetime | None
    rejected: int
    rejects_import: UUID | None
    ignored_calls: int
    last_ignored_at: datetime | None


@dataclass(frozen=True)
class HookVersionRow:
    """A hook's document, in force from `changed_at` on."""

    version: int
    document: dict[str, Any]
    changed_by: str | None
    changed_at: datetime


async def list_hooks(conn: AsyncConnection) -> Sequence[HookRow]:
    """Return all hooks by name."""
    return await _select(conn, None)


async def get_hook(conn: AsyncConnection, name: str) -> HookRow:
    """Return one hook. Raise `HookNotFound`."""
    for row in await _select(conn, name):
        return row
    raise HookNotFound(f"hook {quoted(name)} does not exist: GET /v1/hooks lists the hooks")


async def put_hook(
    conn: AsyncConnection,
    name: str,
    document: Mapping[str, Any],
    secret: str | None,
    by: str,
    *,
    dry_run: bool = False,
) -> tuple[HookRow, StoredSecret]:
    """Add a hook, or give it another document. Return it with what became of its secret. One is made if none was given or known.

    A secret that is given replaces the known one, which stays valid for `SECRET_OVERLAP`. The same one changes nothing.
    With `dry_run`, check the same, change nothing, and return the hook as it would be. Raise `InvalidRequest`, and
    `LimitReached`.
    """
    scheme = document["signature"]["scheme"]
    _check_name(name)
    check_secret(scheme, secret)
    await _refuse_unknown_words(conn, document["mapping"])
    async with conn.transaction(force_rollback=dry_run):
        await conn.execute(_SQL["lock_hooks"])
        known = next(iter(await _select(conn, name)), None)
        if known is None:
            await _refuse_too_many(conn)
        former = None if known is None or not known.has_secret else known.document["signature"]["scheme"]
        stored = await store_secret(conn, GivenSecret(name, secret, scheme, by), former, is_new=known is None)
        if known is not None and stored.change in {"added", "replaced"} and not dry_run:
            await record_async(conn, by, "hook.secret_replaced", name, overlap_s=stored.overlap_s)
        if known is None or _in_todays_form(known.document) != document:
            version = 1 if known is None else known.version + 1
            row = {"name": name, "version": version, "document": Jsonb(document), "by": by}
            if known is not None:
                await conn.execute(_SQL["replace_hook"], row)
            await conn.execute(_SQL["insert_hook_version"], row)
            if not dry_run:
                await record_async(conn, by, "hook.set", name, version=version, scheme=scheme)
        return await get_hook(conn, name), replace(stored, made=None) if dry_run else stored


def _in_todays_form(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a stored document as it would be stored today: releases before also stored fields that no scheme reads."""
    signature = HookSignatureBody.model_validate(document["signature"])
    return {**document, "signature": signature.model_dump()}


async def rotate_secret(
    conn: AsyncConnection, name: str, secret: str | None, overlap: timedelta, by: str
) -> tuple[HookRow, str | None]:
    """Replace a hook's secret by the given or a new one. Return the hook, and the secret if it was made here.

    Raise `HookNotFound`, and `InvalidRequest` if its callers show API keys.
    """
    async with conn.transaction():
        await conn.execute(_SQL["lock_hooks"])
        known = await get_hook(conn, name)
        scheme = known.document["signature"]["scheme"]
        if scheme == "api_key":
            raise InvalidRequest(f"hook {quoted(name)} has no secret: its callers show API keys")
        check_secret(scheme, secret)
        made = None if secret else new_secret()
        row = {"name": name, "secret": secret or made, "overlap": overlap}
        await conn.execute(_SQL["replace_hook_secret"], row)
        await record_async(conn, by, "hook.secret_replaced", name, overlap_s=int(overlap.total_seconds()))
    return await get_hook(conn, name), made


async def delete_hook(conn: AsyncConnection, name: str, by: str) -> None:
    """Remove a hook with its versions. What it received stays. Raise `HookNotFound`."""
    async with conn.transaction():
        await conn.execute(_SQL["lock_hooks"])
        await get_hook(conn, name)
        await conn.execute(_SQL["delete_hook"], {"name": name})
        await record_async(conn, by, "hook.removed", name)


async def list_versions(conn: AsyncConnection, name: str) -> Sequence[HookVersionRow]:
    """Return the newest versions of a hook. Raise `HookNotFound`."""
    await get_hook(conn, name)
    async with conn.cursor(row_factory=class_row(HookVersionRow)) as cursor:
        given = {"name": name, "limit": _SHOWN_VERSIONS}
        return await (await cursor.execute(_SQL["hook_versions"], given)).fetchall()


async def _refuse_too_many(conn: AsyncConnection) -> None:
    ((count,),) = await (await conn.execute(_SQL["count_hooks"])).fetchall()
    if count >= MAX_HOOKS:
        raise LimitReached(f"there are {count} hooks, and the limit is {MAX_HOOKS}: delete one first")


async def _refuse_unknown_words(conn: AsyncConnection, mapping: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` for a translation to a word that polls may not give: each of its items would be rejected."""
    known = {word for word, _ in await (await conn.execute(_NOTES["words"])).fetchall()}
    for word in map(fold_reason, (mapping.get("reasons") or {}).values()):
        if word and word not in known:
            raise InvalidRequest(
                f"reasons translates to {quoted(word)}, which is not a known reason: use a word that `uptill reasons list`"
                f" shows, or add it with `uptill reasons add {word}`",
                field="body.mapping.reasons",
            )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"invalid name {quoted(name)}: use 1 to 63 lower-case letters, digits, `.`, `_` and `-`, beginning with a letter"
            " or a digit",
            field="path.hook",
        )


async def _select(conn: AsyncConnection, name: str | None) -> list[HookRow]:
    async with conn.cursor(row_factory=class_row(HookRow)) as cursor:
        return await (await cursor.execute(_SQL["list_hooks"], {"name": name})).fetchall()
