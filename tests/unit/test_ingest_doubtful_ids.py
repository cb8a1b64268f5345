"""Ids that were read, and may not be what they look like."""

import pytest

from services.ingest.parse.doubtful_ids import describe_doubtful_ids

ROUNDED = ["12345678901234500000", "12345678901234600000"]


def test_long_numbers_that_all_end_in_zeros_were_rounded() -> None:
    (said,) = describe_doubtful_ids([*ROUNDED, "0042", "a"])
    assert said.startswith(
        "2 store ids have more than 15 digits, all with zeros after the 15th, such as '12345678901234500000'"
    )
    (one,) = describe_doubtful_ids(["1234567890123450"])
    assert one.startswith("1 store id has more than 15 digits")


@pytest.mark.parametrize(
    "store_ids",
    [
        [*ROUNDED, "12345678901234500001"],
        ["123456789012345", "100000000000000"],
        ["a1234567890123450000"],
        ["1234567890123456"],
        [],
    ],
)
def test_other_ids_are_not_doubted(store_ids: list[str]) -> None:
    assert [*describe_doubtful_ids(store_ids)] == []


def test_ids_like_comments_are_named_too() -> None:
    said = [*describe_doubtful_ids(["#b", "#a", *ROUNDED])]
    assert len(said) == 2
    assert said[0].startswith("2 store ids begin with #, such as '#a'")
