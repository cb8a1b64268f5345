"""Puts a hook's document together: a preset, and what overrides it."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from services.ingest.hooks.presets import PRESETS, PayloadPreset
from services.ingest.http.schemas_hook_mapping import HookMappingBody, HookMappingParts
from services.ingest.http.schemas_hooks import HookPut
from shared.errors import InvalidRequest
from shared.texts import quoted


def make_document(body: HookPut) -> dict[str, Any]:
    """Return the document to store. Raise `InvalidRequest`, and `RequestValidationError` for a mapping with a part missing."""
    preset = find_preset(body.preset)
    signature = body.signature.model_dump() if body.signature else None
    if signature is None and preset is not None and preset.signature:
        signature = dict(preset.signature)
    if signature is None:
        raise InvalidRequest(
            "signature is missing: say how callers prove who they are, such as"
            ' {"scheme": "standard_webhooks"}',
            field="body.signature",
        )
    return {
        "description": body.description,
        "preset": body.preset,
        "mapping": make_mapping(preset, body.mapping).model_dump(exclude_defaults=True),
        "signature": signature,
    }


def find_preset(name: str | None) -> PayloadPreset | None:
    """Return the preset of this name, or None without a name. Raise `InvalidRequest`."""
    if name is None:
        return None
    if name not in PRESETS:
        raise InvalidRequest(
            f"preset {quoted(name)} does not exist: use one of {', '.join(sorted(PRESETS))}",
            field="body.preset",
        )
    return PRESETS[name]


def make_mapping(preset: PayloadPreset | None, parts: HookMappingParts | None) -> HookMappingBody:
    """Return the whole mapping. Raise `RequestValidationError` that names what is missing or does not fit."""
    given = {
        **(preset.mapping if preset else {}),
        **(parts.model_dump(exclude_unset=True) if parts else {}),
    }
    try:
        return HookMappingBody.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError(
            [{**item, "loc": ("body", "mapping", *item["loc"])} for item in found]
        ) from None
