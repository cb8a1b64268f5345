"""Numbers of JSON are shown as they were sent, also those that no float holds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.hooks.map_items import HookReject
from shared.http.faults import fault
from shared.json_numbers import write_json
from shared.unique_json import load_unique

_WRITTEN = (
    '{"a":[1.10,1e400,-1e400,1E2,0.10,{},[],null,true,"\\u00e4"],"b":{"c":123456789012345678901234567890}}'
)
_DIGITS = "9" * 5000
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def test_a_number_of_thousands_of_digits_is_written_as_it_was_sent() -> None:
    assert write_json(load_unique(f"[1,-{_DIGITS}]".encode()), 10**6) == f"[1,-{_DIGITS}]"


@pytest.mark.parametrize("most", [1000, 20, 1, 0])
def test_a_value_is_written_as_it_was_sent(most: int) -> None:
    assert write_json(load_unique(_WRITTEN.encode()), most) == _WRITTEN[:most]


@given(_JSON)
def test_every_value_is_written_as_the_library_writes_it(value: object) -> None:
    text = json.dumps(value, separators=(",", ":"))
    assert write_json(value, 10**6) == text
    assert write_json(load_unique(text.encode()), 10**6) == text


def test_a_rejected_item_of_any_depth_shows_its_beginning() -> None:
    deep = load_unique(b"[" * 900 + b"1e400" + b"]" * 900)
    assert HookReject.of_item("status", deep).raw == b"[" * 900 + b"1e400" + b"]" * 119


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1.10", "1e2"])
def test_a_message_about_a_field_shows_the_number_that_was_sent(text: str) -> None:
    item = {
        "type": "less_than_equal",
        "loc": ("body", "target"),
        "msg": "",
        "ctx": {"le": 1},
        "input": load_unique(text.encode()),
    }
    assert fault(item)["message"] == f"must be at most 1, not {text}"
