"""CloudEvents in hooks: content modes, what is no event, and when two deliveries are the same."""

from typing import Any

import pytest

from services.ingest.hooks.mapping import HookMapping
from services.ingest.hooks.places import HookPayload
from services.ingest.hooks.presets import PRESETS
from services.ingest.hooks.unfold import BATCH_TYPE, EVENT_TYPE, MAX_ITEMS, TooManyItems, unfold
from tests.unit.hook_items import cloud_events, event, polls, reasons


def test_cloud_events_in_each_content_mode() -> None:
    attributes = {f"ce-{name}": text for name, text in event().items() if name != "data"}
    for found in (
        cloud_events(event(), EVENT_TYPE),
        cloud_events([event()], BATCH_TYPE),
        cloud_events(event()["data"], "application/json", **attributes),
    ):
        assert [(*one, found.polls[0].reason) for one in polls(found)] == [("0042", 0, False, "busy")]


@pytest.mark.parametrize("change", [{"specversion": "0.3"}, {"id": ""}, {"source": 1}, {"type": None}])
def test_what_is_not_a_cloud_event_is_rejected_alone(change: dict[str, Any]) -> None:
    found = cloud_events([event(), {**event(), **change}, 7], BATCH_TYPE)
    assert (len(found.polls), reasons(found)) == (1, ["cloud_event", "cloud_event"])


def test_invalid_events_count_towards_the_limit_of_items() -> None:
    assert len(reasons(cloud_events([7] * MAX_ITEMS, BATCH_TYPE))) == MAX_ITEMS
    with pytest.raises(TooManyItems, match="more than 10,000 items"):
        cloud_events([7] * (MAX_ITEMS + 1), BATCH_TYPE)


def test_the_same_events_have_the_same_id_and_others_another() -> None:
    mapping = HookMapping.of_document(PRESETS["cloudevents"].mapping)

    def message_id(*events: object) -> str | None:
        return unfold(mapping, HookPayload(list(events), {}, 0), BATCH_TYPE).message_id

    assert message_id(event()) == message_id(event(time="2025-01-01T00:00:00Z"))
    found = {message_id(event()), message_id(event(id="2")), message_id(event(), event(id="2")), message_id()}
    assert len(found) == 4
