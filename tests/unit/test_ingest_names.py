"""File names: which are refused; any name can be stored and stays distinct."""

import pytest

from services.ingest.sources.file_names import MAX_NAME_BYTES, escape_unstorable, find_name_fault, stored_name


@pytest.mark.parametrize("name", ["a.csv", "x" * 255, "Б" * 255, "a/b.csv", "C:\\x.csv", "live", "-"])
def test_a_usual_name_is_kept(name: str) -> None:
    assert find_name_fault(name) is None
    assert stored_name(name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" * 256, "longer than 255 characters"),
        ("𝄞" * 255, None),
        ("𝄞" * 256, "longer than"),
        ("x" * 3000, "longer than"),
        ("a\0b", "control or invisible characters"),
        ("a\nb", "control or invisible characters"),
        ("\udc80", "control or invisible characters"),
    ],
)
def test_others_are_refused(name: str, said: str | None) -> None:
    fault = find_name_fault(name)
    assert fault is None if said is None else said in str(fault)


@pytest.mark.parametrize("name", ["a\0b", "\udcff.csv", "x" * 5000, "é" * 5000, "\ud800" * 600])
def test_any_name_can_be_stored(name: str) -> None:
    stored = stored_name(name)
    assert len(stored.encode()) <= MAX_NAME_BYTES
    assert "\0" not in stored


def test_long_names_stay_distinct() -> None:
    assert len({stored_name("x" * 5000 + end) for end in ("a", "b", "\udc80", "\udc81")}) == 4


def test_a_message_keeps_its_lines() -> None:
    assert escape_unstorable("a\0b\n\tc\ud800") == "a\\x00b\n\tc\\xd800"
