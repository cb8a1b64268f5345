"""Request and answer bodies for hooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.ingest.hooks.presets import PRESETS
from services.ingest.http.hook_admin import HookRow, HookVersionRow
from services.ingest.http.hook_secrets import SecretChange
from services.ingest.http.schemas_hook_mapping import HookMappingBody, HookMappingParts
from services.ingest.http.schemas_hook_signature import HeaderName, HookSignatureBody
from shared.http.bodies import RequestBody

_LEAST_SECRET, _MOST_SECRET = 16, 500
_SECRET = Field(
    default=None,
    min_length=_LEAST_SECRET,
    max_length=_MOST_SECRET,
    pattern=r"^[!-~]+$",
    examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    description="What callers prove to know: 16 to 500 printable ASCII characters without spaces. No answer shows it.",
)


class HookPut(RequestBody):
    """Body of `PUT /v1/hooks/{hook}`."""

    description: str = Field(default="", max_length=200, description="A note for people.")
    preset: str | None = Field(
        default=None, description="Defaults for what is not given.", examples=["cloudevents"]
    )
    mapping: HookMappingParts | None = None
    signature: HookSignatureBody | None = None
    secret: str | None = _SECRET


class HookSecretPost(RequestBody):
    """Body of `POST /v1/hooks/{hook}/secret`."""

    secret: str | None = _SECRET
    overlap_s: int = Field(
        default=86_400, ge=0, le=2_592_000, strict=True, description="How long the old secret stays valid."
    )


class HookTrialPost(RequestBody):
    """Body of `POST /v1/hooks/{hook}/dry-run`. The sample is read as a call is."""

    holds_any_text: ClassVar[str | None] = "sample"

    sample: Any = Field(description="A payload as the sender would send it.", examples=[{"store": "0042"}])
    headers: dict[HeaderName, str] = Field(
        default={}, max_length=50, description="Headers that the mapping reads."
    )
    preset: str | None = None
    mapping: HookMappingParts | None = Field(
        default=None, description="Try this mapping instead of the hook's, which then need not exist."
    )


class HookBody(BaseModel):
    """A hook, without its secret."""

    name: str = Field(examples=["pos"])
    path: str = Field(examples=["/v1/hooks/pos"], description="Where calls are sent to.")
    version: int = Field(examples=[3])
    description: str
    preset: str | None
    mapping: HookMappingBody
    signature: HookSignatureBody
    has_secret: bool
    previous_secret_until: datetime | None = Field(
        description="Until when the secret before is valid too; null if it is not."
    )
    changed_by: str | None
    changed_at: datetime
    calls: int = Field(
        description="Calls that were stored: at least one item counted or was rejected. Repeated messages are not among them."
    )
    last_call_at: datetime | None = Field(description="When the latest of them was stored.")
    rejected: int = Field(description="Rejected items of the stored calls.")
    rejects_import: UUID | None = Field(
        description="The import with the latest rejected items: see GET /v1/imports/{import_id}/rejects."
    )
    ignored_calls: int = Field(
        description="Calls in which no item was wanted, because of `only` or a status that means `ignore`. Counted within seconds."
    )
    last_ignored_at: datetime | None = Field(description="When the latest of them was counted.")
    secret: str | None = Field(
        default=None, description="A secret that was made for this answer. It is shown only once."
    )
    secret_change: SecretChange | None = Field(
        default=None, description="Of PUT: what becomes of the hook's secret; in a dry run, what would."
    )

    @classmethod
    def of_row(
        cls, row: HookRow, secret: str | None = None, secret_change: SecretChange | None = None
    ) -> Self:
        """Build the answer."""
        return cls(
            **{name: value for name, value in vars(row).items() if name != "document"},
            **row.document,
            path=f"/v1/hooks/{row.name}",
            secret=secret,
            secret_change=secret_change,
        )


class HookList(BaseModel):
    """All hooks, by name."""

    hooks: Sequence[HookBody]


class HookVersionBody(BaseModel):
    """What a hook was from `changed_at` on."""

    version: int = Field(examples=[3])
    description: str
    preset: str | None
    mapping: HookMappingBody
    signature: HookSignatureBody
    changed_by: str | None
    changed_at: datetime

    @classmethod
    def of_row(cls, row: HookVersionRow) -> Self:
        """Build the answer."""
        return cls(version=row.version, changed_by=row.changed_by, changed_at=row.changed_at, **row.document)


class HookVersionList(BaseModel):
    """Versions of a hook, newest first."""

    versions: Sequence[HookVersionBody]


class HookPresetBody(BaseModel):
    """Defaults for hooks whose payload has a public shape."""

    name: str
    summary: str
    source: str = Field(description="Where the shape is documented.")
    mapping: HookMappingBody
    signature: HookSignatureBody | None


class HookPresetList(BaseModel):
    """All presets, by name."""

    presets: Sequence[HookPresetBody]

    @classmethod
    def of_release(cls) -> Self:
        """Return the presets of this release."""
        return cls(
            presets=[
                HookPresetBody(
                    name=name,
                    summary=preset.summary,
                    source=preset.source,
                    mapping=HookMappingBody.model_validate(preset.mapping),
                    signature=HookSignatureBody.model_validate(preset.signature)
                    if preset.signature
                    else None,
                )
                for name, preset in sorted(PRESETS.items())
            ]
        )


class HookTrialPoll(BaseModel):
    """A poll that a sample would become."""

    store_id: str
    status: str = Field(examples=["active"])
    observed_at: datetime
    event: bool
    reason: str | None
    until: datetime | None


class HookTrialReject(BaseModel):
    """An item that would be rejected."""

    reason: str = Field(examples=["unknown_store"])
    message: str
    item: str = Field(description="The beginning of its JSON.")


class HookTrialBody(BaseModel):
    """What a sample would become. Nothing was stored."""

    polls: Sequence[HookTrialPoll]
    rejects: Sequence[HookTrialReject]
    ignored: int


class HookCallBody(BaseModel):
    """What became of a call's items. It is committed."""

    accepted: int
    duplicate: int
    corrected: int
    rejected: int = Field(description="Kept as rejected rows of the day's live polls.")
    ignored: int = Field(description="Items that the mapping ignores.")
    replayed: bool = Field(description="Whether this message was received before; nothing changed then.")
