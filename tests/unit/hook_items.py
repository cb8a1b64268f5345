"""Items of hooks as a mapping reads them, and a CloudEvent."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.ingest.hooks.map_items import HookRules, MappedItems, map_items
from services.ingest.hooks.mapping import HookMapping
from services.ingest.hooks.places import HookPayload
from services.ingest.hooks.presets import PRESETS
from services.ingest.hooks.unfold import unfold
from shared.status_words import STATUSES

BASE: Mapping[str, Any] = {"store_id": "/s", "observed_at": "/t", "status": "/x"}
AT = "2024-09-02T10:00:00Z"
AT_US = int(datetime(2024, 9, 2, 10, tzinfo=UTC).timestamp()) * 1_000_000
RULES = HookRules(STATUSES)


def mapped(
    document: object, kind: str = "application/json", headers: Mapping[str, str] | None = None, **more: Any
) -> MappedItems:
    mapping = HookMapping.of_document({**BASE, **more})
    payload = HookPayload(document, headers or {}, AT_US + 5)
    unfolded = unfold(mapping, payload, kind)
    found = map_items(mapping, unfolded.items, payload, RULES)
    found.rejects.extend(unfolded.rejects)
    return found


def polls(found: MappedItems) -> list[tuple[str, int, bool]]:
    return [(one.store_id, one.at_us - AT_US, one.active) for one in found.polls]


def reasons(found: MappedItems) -> list[str]:
    return [one.reason for one in found.rejects]


def event(**more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": "1", "source": "/pos", "type": "store.status", "subject": "0042",
        "time": AT, "data": {"status": "inactive", "reason": "busy"}, **more,
    }  # fmt: skip


def cloud_events(document: object, kind: str, **headers: str) -> MappedItems:
    return mapped(document, kind, headers, **PRESETS["cloudevents"].mapping)
