"""JSON read by `load_unique`: repeated names and what Python takes for JSON are refused, at a cost that grows with the body."""

import json

import pytest

from shared.unique_json import load_unique


@pytest.mark.parametrize("body", [b'{"a": 1, "b": 2, "b": 3, "a": 4}', b'[{"a": {"a": 1, "a": 2}}]'])
def test_the_first_repeated_name_is_named(body: bytes) -> None:
    with pytest.raises(json.JSONDecodeError, match="the name 'a' is given twice"):
        load_unique(body)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_what_is_not_a_json_value_is_named(text: str) -> None:
    with pytest.raises(json.JSONDecodeError, match=f"{text} is not a JSON value"):
        load_unique(f'{{"a": [{text}]}}'.encode())


def test_bytes_that_are_not_utf8_are_named() -> None:
    with pytest.raises(json.JSONDecodeError, match="is not UTF-8, because of the byte 0xff at position 6"):
        load_unique(b'{"a":"\xff"}')


def test_many_names_before_a_repeated_one_are_looked_at_once() -> None:
    # Comparing each with all others would take minutes: the test would run into the limit of the suite.
    names = [f"n{number}" for number in range(80_000)]
    body = json.dumps(dict.fromkeys(names, 1))[:-1] + ', "z": 1, "z": 2}'
    with pytest.raises(json.JSONDecodeError, match="the name 'z' is given twice"):
        load_unique(body.encode())
