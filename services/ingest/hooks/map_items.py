"""Maps the items of a payload to polls. A bad item is rejected by itself, with a reason as rows of files have."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.ingest.hooks.mapping import ANY_OTHER, HookMapping
from services.ingest.hooks.places import HookPayload, Places, read_first
from services.ingest.hooks.pointers import MISSING
from services.ingest.hooks.values import as_text, read_instant
from services.ingest.parse.reasons import RAW_BYTES
from shared.json_numbers import write_json
from shared.reason_words import fold_reason
from shared.status_words import fold_status
from shared.store_ids import clean_store_id, find_id_fault


@dataclass(frozen=True)
class HookReject:
    """An item that became no poll: a code of `ROW_REASONS`, the beginning of its JSON, and its place in the call."""

    reason: str
    raw: bytes
    place: int = 0

    @classmethod
    def of_item(cls, reason: str, item: object, place: int = 0) -> "HookReject":
        """Build one. The JSON is ASCII, so that cutting it leaves text."""
        return cls(reason, write_json(item, RAW_BYTES).encode(), place)


@dataclass(frozen=True)
class MappedPoll:
    """A valid poll, and the item that it comes from. Whether its store and its reason are known, the writer finds out."""

    store_id: str
    at_us: int
    active: bool
    event: bool
    reason: str
    until_us: int | None
    item: object


@dataclass
class MappedItems:
    """What became of the items of one payload. `places`: of the items that became polls."""

    polls: list[MappedPoll] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    rejects: list[HookReject] = field(default_factory=list)
    ignored: int = 0


@dataclass(frozen=True)
class HookRules:
    """The rules of the service for words of a status, and for odd ids."""

    status_words: Mapping[str, bool]
    allow_odd_ids: bool = False


def map_items(
    mapping: HookMapping, items: Mapping[int, object], payload: HookPayload, rules: HookRules
) -> MappedItems:
    """Map each item, in order. `items` are by their place in the call."""
    mapped = MappedItems()
    for place, item in items.items():
        found = _map_item(mapping, item, payload, rules)
        match found:
            case None:
                mapped.ignored += 1
            case str():
                mapped.rejects.append(HookReject.of_item(found, item, place))
            case _:
                mapped.polls.append(found)
                mapped.places.append(place)
    return mapped


def _map_item(
    mapping: HookMapping, item: object, payload: HookPayload, rules: HookRules
) -> MappedPoll | str | None:
    """Return the poll, the reason to reject, or None if the mapping ignores the item."""
    for places, texts in mapping.only:
        if _read_text(places, item, payload) not in texts:
            return None
    status = _read_status(mapping, item, payload, rules)
    if status is None or isinstance(status, str):
        return status
    store_id = clean_store_id(_read_text(mapping.store, item, payload) or "")
    times = _read_times(mapping, item, payload)
    if (fault := find_id_fault(store_id, allow_odd=rules.allow_odd_ids)) or isinstance(times, str):
        return fault or str(times)
    at_us, until_us = times
    reason = _read_reason(mapping, item, payload)
    return MappedPoll(store_id, at_us, status, mapping.is_event, reason, until_us, item)


def _read_times(mapping: HookMapping, item: object, payload: HookPayload) -> tuple[int, int | None] | str:
    """Return the instant and the end, or the reason to reject."""
    at_us = _read_at(mapping.at, item, payload, mapping)
    if not isinstance(at_us, int):
        return at_us or "timestamp"
    until_us = _read_at(mapping.until, item, payload, mapping)
    if isinstance(until_us, str):
        return "until"
    return "until_order" if until_us is not None and until_us <= at_us else (at_us, until_us)


def _read_text(places: Places, item: object, payload: HookPayload) -> str | None:
    found, _ = read_first(places, item, payload)
    return as_text(found)


def _read_status(
    mapping: HookMapping, item: object, payload: HookPayload, rules: HookRules
) -> bool | str | None:
    """Return whether the status is active, `status` if it is not known, or None to ignore the item."""
    text = _read_text(mapping.status, item, payload)
    if text is None:
        return "status"
    word = fold_status(text)
    meaning = mapping.statuses.get(word)
    if meaning is None and word in rules.status_words:
        return rules.status_words[word]
    meaning = meaning or mapping.statuses.get(ANY_OTHER)
    if meaning is None:
        return "status"
    return None if meaning == "ignore" else meaning == "active"


def _read_reason(mapping: HookMapping, item: object, payload: HookPayload) -> str:
    word = fold_reason(_read_text(mapping.reason, item, payload) or "")
    return word and mapping.reasons.get(word, mapping.reasons.get(ANY_OTHER, word))


def _read_at(places: Places, item: object, payload: HookPayload, mapping: HookMapping) -> int | str | None:
    """Return microseconds since 1970, the reason to reject, or None if there is no value."""
    found, is_arrival = read_first(places, item, payload)
    if found is MISSING:
        return None
    return payload.received_us if is_arrival else read_instant(found, mapping)
