"""Splits a payload into items: a list within it, or CloudEvents 1.0 in each of the content modes of its HTTP binding."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote

from services.ingest.hooks.map_items import HookReject
from services.ingest.hooks.mapping import HookMapping
from services.ingest.hooks.places import HookPayload
from services.ingest.hooks.pointers import resolve

MAX_ITEMS: Final = 10_000
EVENT_TYPE: Final = "application/cloudevents+json"
BATCH_TYPE: Final = "application/cloudevents-batch+json"
_PREFIX, _NEEDED = "ce-", ("specversion", "id", "source", "type")


class TooManyItems(Exception):
    """A payload has more than `MAX_ITEMS` items, valid or not."""


@dataclass(frozen=True)
class UnfoldedItems:
    """The items of a payload by place, those that are not what the mapping expects, and an id of what was sent, if it has one."""

    items: Mapping[int, object]
    rejects: Sequence[HookReject] = field(default=())
    message_id: str | None = None


def unfold(mapping: HookMapping, payload: HookPayload, media_type: str) -> UnfoldedItems:
    """Return the items that the mapping is applied to. Raise `TooManyItems`."""
    if mapping.is_cloud_events:
        return _unfold_events(payload, media_type)
    if mapping.each is None:
        return UnfoldedItems({0: payload.document})
    found = resolve(payload.document, mapping.each)
    if not isinstance(found, list):
        return UnfoldedItems({}, [HookReject.of_item("not_a_list", payload.document)])
    _refuse_too_many(found)
    return UnfoldedItems(dict(enumerate(found)))


def _refuse_too_many(given: Sequence[object]) -> None:
    if len(given) > MAX_ITEMS:
        raise TooManyItems(f"the payload has more than {MAX_ITEMS:,} items; send fewer in a call")


def _unfold_events(payload: HookPayload, media_type: str) -> UnfoldedItems:
    if f"{_PREFIX}specversion" in payload.headers:
        given: list[object] = [_read_binary(payload)]
    elif media_type == BATCH_TYPE and isinstance(payload.document, list):
        given = payload.document
    else:
        given = [payload.document]
    _refuse_too_many(given)
    valid = {place: event for place, event in enumerate(given) if _is_event(event)}
    rejects = [
        HookReject.of_item("cloud_event", event, place)
        for place, event in enumerate(given)
        if place not in valid
    ]
    return UnfoldedItems(valid, rejects, _digest_ids(valid.values()) if valid else None)


def _read_binary(payload: HookPayload) -> Mapping[str, object]:
    """Return the event whose attributes are headers and whose data is the body."""
    attributes = {
        name.removeprefix(_PREFIX): unquote(value)
        for name, value in payload.headers.items()
        if name.startswith(_PREFIX)
    }
    return {**attributes, "data": payload.document}


def _is_event(event: object) -> bool:
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        return False
    return all(isinstance(event.get(name), str) and event[name] for name in _NEEDED)


def _digest_ids(events: Iterable[object]) -> str:
    """Return an id of the events: source and id of an event are unique together."""
    digest = blake2b(digest_size=16)
    for event in events:
        assert isinstance(event, dict)  # noqa: S101 - _is_event
        for name in ("source", "id"):
            part = str(event[name]).encode("utf-8", "surrogatepass")
            digest.update(len(part).to_bytes(4) + part)
    return digest.hexdigest()
