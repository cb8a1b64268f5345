"""API keys and the audit log, for administrators. These calls are rare, so each opens its own connection."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

import psycopg
from fastapi import APIRouter, Depends, Path, Query, Request, Response, status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.api.context import ApiContext, Context
from shared.audit import ACTIONS, list_entries
from shared.db.connect import borrowed_async, connect
from shared.errors import KeyNotFound, KeyReplaced
from shared.http.auth import Caller, KeyRing
from shared.http.bodies import RequestBody
from shared.http.contract import answers
from shared.http.cursors import cut_page, invalid_cursor
from shared.keys import KEY_ID, OVERLAP, SCOPES, ApiKey, create_key, list_keys, revoke_key, rotate_key

router = APIRouter(tags=["administration"])
Admin = Annotated[ApiKey, Depends(Caller("admin"))]
Prefix = Annotated[
    str, Path(pattern=KEY_ID, description="The key's public id: the eight characters after `upt_`.")
]
T = TypeVar("T")
_ACTION = "^[a-z.]{1,40}$"
_ACTOR = "^[a-z0-9]{1,20}$"
_NO_STORE = {"Cache-Control": "no-store"}
_MAX_DIGITS = len(str(2**63))
_MAX_OVERLAP_S = 30 * 86_400


class KeyCreate(RequestBody):
    """Body of `POST /v1/keys`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Anna, four stores", "store_labels": {"owner": "anna"}}]},
    )

    name: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f]+$",
        description="The person or program that will use the key.",
    )
    scopes: list[str] = Field(
        default=["reports:read", "reports:write"],
        min_length=1,
        max_length=10,
        description=f"What the key may do: any of {', '.join(SCOPES)}.",
    )
    store_labels: dict[str, str] | None = Field(
        default=None, description="Limit the key to stores with all of these labels. Default: every store."
    )
    expires_at: AwareDatetime | None = Field(default=None, description="When the key ends. Default: never.")


class KeyRotate(RequestBody):
    """Body of `POST /v1/keys/{prefix}/rotate`."""

    overlap_s: float = Field(
        default=OVERLAP.total_seconds(),
        ge=0,
        le=_MAX_OVERLAP_S,
        allow_inf_nan=False,
        description="How many seconds the old key keeps working.",
    )


class NewKey(BaseModel):
    """A new key. It is shown only once: the server stores only its hash."""

    key: str = Field(examples=["upt_a1b2c3d4_…"])
    prefix: str = Field(description="The key's public id.")


class KeyBody(BaseModel):
    """An API key, without its secret."""

    prefix: str = Field(description="The key's public id: the eight characters after `upt_`.")
    name: str = Field(examples=["Anna, four stores"])
    scopes: list[str]
    store_labels: dict[str, str] | None = Field(
        description="The key sees only stores with all of these labels; null for every store."
    )
    created_at: datetime
    expires_at: datetime | None = Field(description="Null if it never expires.")
    revoked_at: datetime | None = Field(description="Null unless it was revoked.")
    last_used_at: datetime | None = Field(
        description="Accurate to about a minute; null if it was never used."
    )


class KeyList(BaseModel):
    """All API keys, newest first."""

    keys: list[KeyBody]


class AuditRow(BaseModel):
    """One entry of the audit log."""

    at: datetime
    actor: str = Field(description="The prefix of the key that acted, or `command` for the `uptill` command.")
    action: str = Field(examples=["key.created"])
    subject: str | None = Field(examples=["a1b2c3d4"], description="The id of what was changed.")
    details: dict[str, Any]


class AuditPage(BaseModel):
    """A page of the audit log, newest first."""

    entries: list[AuditRow]
    next: str | None = Field(description="The `cursor` of the next page; null on the last page.")


@router.post("/v1/keys", status_code=status.HTTP_201_CREATED)
async def create(context: Context, key: Admin, body: KeyCreate, response: Response) -> NewKey:
    """Create a key. Only this answer shows it."""
    made = await _act(
        context,
        lambda conn: create_key(
            conn,
            name=body.name,
            scopes=body.scopes,
            store_labels=body.store_labels,
            expires_at=body.expires_at,
            actor=key.prefix,
        ),
    )
    return _shown(made, response)


@router.get("/v1/keys")
async def read_keys(context: Context, key: Admin) -> KeyList:
    """List all keys, including expired and revoked ones."""
    del key
    keys = await _act(context, list_keys)
    return KeyList(keys=[KeyBody.model_validate(vars(found)) for found in keys])


@router.post("/v1/keys/{prefix}/rotate", status_code=status.HTTP_201_CREATED, responses=answers(KeyReplaced))
async def rotate(
    context: Context,
    key: Admin,
    request: Request,
    response: Response,
    prefix: Prefix,
    body: KeyRotate | None = None,
) -> NewKey:
    """Replace a key by a new one with the same rights. The old key ends after `overlap_s` seconds."""
    overlap = timedelta(seconds=(body or KeyRotate()).overlap_s)
    made = await _act(context, lambda conn: rotate_key(conn, prefix, overlap=overlap, actor=key.prefix))
    _ring(request).forget(prefix)
    return _shown(made, response)


@router.delete("/v1/keys/{prefix}", status_code=status.HTTP_204_NO_CONTENT)
async def revoke(context: Context, key: Admin, request: Request, prefix: Prefix) -> None:
    """Revoke a key. It stops working everywhere within 5 seconds."""
    revoked = await _act(context, lambda conn: revoke_key(conn, prefix, actor=key.prefix))
    _ring(request).forget(prefix)
    if not revoked:
        raise KeyNotFound(f"no live API key has the prefix {prefix!r}: GET /v1/keys lists the keys")


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
        found = await list_entries(conn, before=_before(cursor), limit=limit + 1, actor=actor, action=action)
    page, last = cut_page(found, limit)
    return AuditPage(
        entries=[AuditRow.model_validate(vars(entry), extra="ignore") for entry in page],
        next=None if last is None else str(last.id),
    )


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MAX_DIGITS and int(cursor) < 2**63):
        raise invalid_cursor()
    return int(cursor)


async def _act(context: ApiContext, act: Callable[[psycopg.Connection], T]) -> T:
    def run() -> T:
        with connect(
            context.settings.database_url.get_secret_value(), application_name="uptill-api keys"
        ) as conn:
            return act(conn)

    return await context.keys_lane.run(run)


def _ring(request: Request) -> KeyRing:
    ring: KeyRing = request.app.state.keys
    return ring


def _shown(key: str, response: Response) -> NewKey:
    response.headers.update(_NO_STORE)
    return NewKey(key=key, prefix=key.split("_")[1])
