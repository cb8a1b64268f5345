"""Request and answer bodies for API keys and the audit log. Requests with unknown fields are refused."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.http.bodies import RequestBody
from shared.http.written_times import WrittenInstant
from shared.keys import OVERLAP, SCOPES

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
    expires_at: WrittenInstant | None = Field(default=None, description="When the key ends. Default: never.")


class KeyRotate(RequestBody):
    """Body of `POST /v1/keys/{prefix}/rotate`."""

    overlap_s: float = Field(
        default=OVERLAP.total_seconds(),
        ge=0,
        le=_MAX_OVERLAP_S,
        strict=True,
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
