"""Puts a hook's document together: a preset, and what overrides it."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from services.ingest.hooks.places import RECEIVED
from services.ingest.hooks.presets import PRESETS, PayloadPreset
from services.ingest.http.schemas_hook_mapping import HookMappingBody, HookMappingParts
from services.ingest.http.schemas_hook_signature import HookSignatureBody
from services.ingest.http.schemas_hooks import HookPut
from shared.errors import InvalidRequest
from shared.texts import quoted


def make_document(body: HookPut) -> dict[str, Any]:
    """Return the document to store. Raise `InvalidRequest`, and `RequestValidationError` for a mapping with a part missing."""
    preset = find_preset(body.preset)
    if body.signature is not None:
        _refuse_unread(body.signature)
    signature = body.signature
    if signature is None and preset is not None and preset.signature:
        signature = HookSignatureBody.model_validate(preset.signature)
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
        "signature": signature.model_dump(),
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
    if given.get("reasons") and not given.get("reason"):
        raise InvalidRequest(
            "reasons translates words, but reason does not say where they are: add reason, or leave reasons out",
            field="body.mapping.reasons",
        )
    try:
        made = HookMappingBody.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError(
            [{**item, "loc": ("body", "mapping", *item["loc"])} for item in found]
        ) from None
    _refuse_arrival(made)
    return made


def _refuse_arrival(mapping: HookMappingBody) -> None:
    """Raise `InvalidRequest` if the instant of the arrival stands for a text, such as an id."""
    places = {"store_id": mapping.store_id, "status": mapping.status, "reason": mapping.reason}
    for name, given in {**places, "only": list(mapping.only)}.items():
        if RECEIVED in ([given] if isinstance(given, str) else given or ()):
            raise InvalidRequest(
                f"{name} cannot be {quoted(RECEIVED)}, which is an instant: name the place of a text",
                field=f"body.mapping.{name}",
            )


def _refuse_unread(signature: HookSignatureBody) -> None:
    """Raise `InvalidRequest` for a field that would have no effect."""
    name = signature.find_unread()
    if name is None:
        return
    lacks_time = signature.scheme == "hmac"
    cause = "without timestamp_header" if lacks_time else f"with the scheme {signature.scheme}"
    fix = "name the header with the signed time, or leave it out" if lacks_time else "leave it out"
    raise InvalidRequest(f"{name} has no effect {cause}: {fix}", field=f"body.signature.{name}")
