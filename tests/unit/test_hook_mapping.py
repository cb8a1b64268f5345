"""Mappings of hooks: pointers, places, values, CloudEvents, and what each preset makes of its platform's payload."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.hooks.places import Place
from services.ingest.hooks.pointers import MISSING, parse_pointer, resolve
from services.ingest.hooks.presets import PRESETS
from services.ingest.hooks.unfold import EVENT_TYPE
from services.ingest.http.schemas_hook_mapping import HookMappingBody
from services.ingest.http.schemas_hook_signature import HookSignatureBody
from shared.json_numbers import WrittenFloat
from shared.row_reasons import ROW_REASONS
from tests.unit.hook_items import AT, AT_US, BASE, event, mapped, polls, reasons

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("stxwu"), inner, max_size=5),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("", {"a/b": [1, {"~": 2}], "": 3}),
        ("/a~1b/0", 1),
        ("/a~1b/1/~0", 2),
        ("/", 3),
        ("/a~1b/01", MISSING),
        ("/a~1b/-", MISSING),
        ("/a~1b/2", MISSING),
        ("/a~1b/1/~0/x", MISSING),
    ],
)
def test_pointers_are_those_of_rfc_6901(pointer: str, found: object) -> None:
    assert resolve({"a/b": [1, {"~": 2}], "": 3}, parse_pointer(pointer)) == found


@pytest.mark.parametrize("text", ["a", "/~2", "/~", "/" + "x" * 200])
def test_other_texts_are_not_pointers(text: str) -> None:
    with pytest.raises(ValueError, match=r"pointer|Pointer|tilde"):
        parse_pointer(text)


@pytest.mark.parametrize("text", ["", "store", "header:", "header:a b", "^x", "other:x", "=" + "x" * 200])
def test_other_texts_are_not_places(text: str) -> None:
    with pytest.raises(ValueError, match=r"place|pointer|Pointer|header|text"):
        Place.parse(text)


def test_the_first_place_with_a_value_counts() -> None:
    places = ["/a", "^/b", "header:X-Store", "=c"]
    headers = {"x-store": "h"}
    item = {"t": AT, "x": "active"}
    for given_item, outer, expected in (
        ({**item, "a": "i"}, {"b": "o"}, "i"),
        ({**item, "a": ""}, {"b": "o"}, "o"),
        ({**item, "a": None}, {}, "h"),
    ):
        found = mapped({**outer, "e": [given_item]}, headers=headers, store_id=places, each="/e")
        assert polls(found) == [(expected, 0, True)]
    assert polls(mapped({"e": [item]}, store_id=places, each="/e")) == [("c", 0, True)]


@pytest.mark.parametrize(
    ("value", "more", "expected"),
    [
        (AT, {}, 0),
        ("2024-09-02 12:00:00.5+02:00", {}, 500_000),
        ("2024-09-02T10:00:00", {}, "tz_missing"),
        ("2024-09-02T10:00:00", {"assume_utc": True}, 0),
        (AT_US // 1_000_000, {}, "timestamp"),
        (AT_US // 1_000_000, {"unit": "s"}, 0),
        (AT_US // 1_000_000 + 0.25, {"unit": "s"}, 250_000),
        (str(AT_US // 1000), {"unit": "ms"}, 0),
        (AT_US, {"unit": "us"}, 0),
        (AT_US // 1_000_000, {"unit": "ms"}, "timestamp_range"),
        (AT, {"unit": "s"}, 0),
        (10**400, {"unit": "s"}, "timestamp"),
        (WrittenFloat("1e400"), {"unit": "s"}, "timestamp"),
        (float("nan"), {"unit": "s"}, "timestamp"),
        (True, {"unit": "s"}, "timestamp"),
        ({}, {"unit": "s"}, "timestamp"),
        (None, {}, "timestamp"),
    ],
)
def test_instants(value: object, more: dict[str, Any], expected: int | str) -> None:
    found = mapped({"s": "a", "t": value, "x": "active"}, **more)
    assert (polls(found), reasons(found)) == (
        ([("a", expected, True)], []) if isinstance(expected, int) else ([], [expected])
    )


def test_the_arrival_may_be_the_instant() -> None:
    item = {"s": "a", "x": "active"}
    assert polls(mapped(item, observed_at=["/t", "received"])) == [("a", 5, True)]


@pytest.mark.parametrize(
    ("value", "statuses", "expected"),
    [
        (" Active ", {}, True),
        ("inactive", {"inactive": "active"}, True),
        ("ONLINE", {"online": "active"}, True),
        (False, {"true": "active", "false": "inactive"}, False),
        (0, {"0": "inactive", "1": "active"}, False),
        ("odd", {"a": "active", "*": "inactive"}, False),
        ("active", {"a": "active", "*": "inactive"}, True),
        ("odd", {"a": "active"}, "status"),
        ("hidden", {"hidden": "ignore"}, None),
        ([], {"*": "active", "a": "active"}, "status"),
        (WrittenFloat("-1e400"), {"*": "inactive", "a": "active"}, False),
        (WrittenFloat("1.10"), {"1.10": "active"}, True),
    ],
)
def test_statuses(value: object, statuses: dict[str, str], expected: bool | str | None) -> None:
    found = mapped({"s": "a", "t": AT, "x": value}, statuses=statuses)
    if isinstance(expected, bool):
        assert polls(found) == [("a", 0, expected)]
    else:
        assert (polls(found), reasons(found), found.ignored) == (
            [], [expected] if expected else [], int(expected is None),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"),
    [(" 007 ", "007"), (42, "42"), (WrittenFloat("1e400"), "odd_id"), ("e\u0301", "é"), (WrittenFloat("42.0"), "odd_id"), (WrittenFloat("1.10"), "1.10"),
     (10**30, str(10**30)), ("NULL", "odd_id"), ("a\nb", "control_character"),
     ("\ud800", "control_character"), ([1], "no_id"), (None, "no_id"), ("..", "store_id")],
)  # fmt: skip
def test_ids_follow_the_rules_of_files(value: object, expected: str) -> None:
    found = mapped({"s": value, "t": AT, "x": "active"})
    assert [*(one.store_id for one in found.polls), *reasons(found)] == [expected]


@given(_JSON)
def test_any_item_is_a_poll_a_reject_or_ignored(document: object) -> None:
    found = mapped(document, reason="/w", until="/u", event=True, unit="s", only={"/s": ["a"]})
    assert len(found.polls) + len(found.rejects) + found.ignored == 1
    assert set(reasons(found)) <= ROW_REASONS.keys()
    assert all(len(one.raw) <= 1024 and one.raw.isascii() for one in found.rejects)


def test_an_item_that_can_be_parsed_but_not_written_is_still_a_reject() -> None:
    nested: object = 1
    for _ in range(10_000):
        nested = [nested]
    assert reasons(mapped({"x": "odd", "deep": nested})) == ["status"]


@pytest.mark.parametrize("more", [{"statuses": {"ON": "active", " on": "inactive"}},
                                  {"reasons": {"Busy": "busy", "busy": "other"}}])  # fmt: skip
def test_a_word_cannot_have_two_meanings(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="twice with different meanings"):
        HookMappingBody.model_validate({**BASE, **more})
    field, words = next(iter(more.items()))
    HookMappingBody.model_validate({**BASE, field: dict.fromkeys(words, next(iter(words.values())))})


# The shapes are public; the values are ours.
PAYLOADS: Mapping[str, tuple[object, tuple[str, str, bool, str, str | None]]] = {
    "standard_webhooks": (
        {
            "type": "store.status", "timestamp": AT,
            "data": {"store_id": "0042", "status": "inactive", "reason": "busy"},
        },
        ("0042", AT, False, "busy", None),
    ),
    "cloudevents": (event(), ("0042", AT, False, "busy", None)),
    "doordash_deactivations": (
        {
            "store": {"doordash_store_id": 7, "merchant_supplied_id": "0042"},
            "event": {"type": "Store Temporarily Deactivated"},
            "reason_id": 5, "reason": "Kitchen too busy", "notes": "",
            "start_time": AT, "end_time": "2024-09-02T11:00:00Z",
        },
        ("0042", AT, False, "paused_by_platform", "2024-09-02T11:00:00Z"),
    ),
    "toast_availability": (
        {
            "timestamp": "2024-09-02T10:00:00.000Z", "eventCategory": "restaurant_availability",
            "eventType": "availability_offline", "guid": "5f0e0000-0000-4000-8000-000000000001",
            "details": {"restaurantGuid": "0042", "status": "OFFLINE", "reasonKey": "AVAILABILITY_OFFLINE"},
        },
        ("0042", AT, False, "technical", None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_each_preset_is_valid_and_reads_its_payload(name: str) -> None:
    preset = PRESETS[name]
    HookMappingBody.model_validate(preset.mapping)
    if preset.signature:
        HookSignatureBody.model_validate(preset.signature)
    assert re.match(r"https://\S+$", preset.source)
    payload, (store_id, at, active, reason, until) = PAYLOADS[name]
    found = mapped(json.loads(json.dumps(payload)), EVENT_TYPE, **preset.mapping)
    (poll,) = found.polls

    def to_us(text: str) -> int:
        return int(datetime.fromisoformat(text).timestamp()) * 1_000_000

    assert (poll.store_id, poll.at_us, poll.active, poll.reason) == (store_id, to_us(at), active, reason)
    assert poll.until_us == (until and to_us(until))
    assert mapped({"eventCategory": "other", "event": {"type": "other"}}, **preset.mapping).polls == []
