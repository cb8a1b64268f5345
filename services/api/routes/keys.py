"""API keys and the audit log, for administrators. These calls are rare, so each opens its own connection."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import psycopg
from fastapi import APIRouter, Depends, Path, Query, Request, Response, status

from services.api.context import ApiContext, Context
from services.api.schemas.keys import AuditPage, AuditRow, KeyBody, KeyCreate, KeyList, KeyRotate, NewKey
from shared import keys
from shared.audit import ACTIONS, list_entries
from shared.db.connect import borrowed_async, connect
from shared.errors import KeyNotFound, KeyReplaced
from shared.http.auth import RequireScope
from shared.http.contract import answers
from shared.http.cursors import cut_page, invalid_cursor
from shared.http.key_ring import KeyRing
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import KEY_ID, ApiKey
from shared.texts import quoted

router = APIRouter(route_class=UniqueNamesRoute, tags=["administration"])
Admin = Annotated[ApiKey, Depends(RequireScope("admin"))]
Prefix = Annotated[
    str, Path(pattern=KEY_ID, description="The key's public id: the eight characters after `upt_`.")
]
T = TypeVar("T")
_ACTION = "^[a-z._]{1,40}$"
_ACTOR = "^[a-z0-9]{1,20}$"
_NO_STORE = {"Cache-Control": "no-store"}
_MAX_DIGITS = len(str(2**63))


@router.post("/v1/keys", status_code=status.HTTP_201_CREATED)
async def create_key(context: Context, key: Admin, body: KeyCreate, response: Response) -> NewKey:
    """Create a key. Only this answer shows it."""
    made = await _run_with_connection(
        context,
        lambda conn: keys.create_key(
            conn,
            name=body.name,
            scopes=body.scopes,
            store_labels=body.store_labels,
            expires_at=body.expires_at,
            actor=key.prefix,
        ),
    )
    return _show_key(made, response)


@router.get("/v1/keys")
async def read_keys(context: Context, key: Admin) -> KeyList:
    """List all keys, including expired and revoked ones."""
    del key
    found = await _run_with_connection(context, keys.list_keys)
    return KeyList(keys=[KeyBody.model_validate(vars(each)) for each in found])


@router.post("/v1/keys/{prefix}/rotate", status_code=status.HTTP_201_CREATED, responses=answers(KeyReplaced))
async def rotate_key(
    context: Context,
    key: Admin,
    request: Request,
    response: Response,
    prefix: Prefix,
    body: KeyRotate | None = None,
) -> NewKey:
    """Replace a key by a new one with the same rights. The old key ends after `overlap_s` seconds."""
    overlap = timedelta(seconds=(body or KeyRotate()).overlap_s)
    made = await _run_with_connection(
        context, lambda conn: keys.rotate_key(conn, prefix, overlap=overlap, actor=key.prefix)
    )
    _key_ring(request).forget(prefix)
    return _show_key(made, response)


@router.delete("/v1/keys/{prefix}", status_code=status.HTTP_204_NO_CONTENT)
async def revoke_key(context: Context, key: Admin, request: Request, prefix: Prefix) -> None:
    """Revoke a key. It stops working everywhere within 5 seconds."""
    revoked = await _run_with_connection(
        context, lambda conn: keys.revoke_key(conn, prefix, actor=key.prefix)
    )
    _key_ring(request).forget(prefix)
    if not revoked:
        raise KeyNotFound(f"no live API key has the prefix {quoted(prefix)}: GET /v1/keys lists the keys")


@router.get("/v1/audit")
async def read_audit(
    context: Context,
    key: Admin,
    cursor: Annotated[str | None, Query(description="The `next` value of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="The most entries to return.")] = 50,
    actor: Annotated[str | None, Query(pattern=_ACTOR, description="Only entries of this actor.")] = None,
    action: Annotated[
        str | None,
        Query(pattern=_ACTION, description=f"Only entries with this action: one of {', '.join(ACTIONS)}."),
    ] = None,
) -> AuditPage:
    """List the entries of the audit log, newest first."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        found = await list_entries(
            conn, before=_read_cursor(cursor), limit=limit + 1, actor=actor, action=action
        )
    page, last = cut_page(found, limit)
    return AuditPage(
        entries=[AuditRow.model_validate(vars(entry), extra="ignore") for entry in page],
        next=None if last is None else str(last.id),
    )


def _read_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MAX_DIGITS and int(cursor) < 2**63):
        raise invalid_cursor()
    return int(cursor)


async def _run_with_connection(context: ApiContext, act: Callable[[psycopg.Connection], T]) -> T:
    def open_and_act() -> T:
        with connect(
            context.settings.database_url.get_secret_value(), application_name="uptill-api keys"
        ) as conn:
            return act(conn)

    return await context.keys_lane.run(open_and_act)


def _key_ring(request: Request) -> KeyRing:
    ring: KeyRing = request.app.state.keys
    return ring


def _show_key(key: str, response: Response) -> NewKey:
    response.headers.update(_NO_STORE)
    return NewKey(key=key, prefix=key.split("_")[1])
