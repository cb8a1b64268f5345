"""A value from a user is one segment of a path: an id that looks like a path leads nowhere else."""

import pytest

from uptill_client.paths import encode_segment


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("0042", "0042"),
        ("../calendars/b-cal", "..%2Fcalendars%2Fb-cal"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("a.b", "a.b"),
        ("x?force=true#y", "x%3Fforce%3Dtrue%23y"),
        ("Café %2F", "Caf%C3%A9%20%252F"),
    ],
)
def test_a_value_is_one_segment(value: str, encoded: str) -> None:
    assert encode_segment(value) == encoded
