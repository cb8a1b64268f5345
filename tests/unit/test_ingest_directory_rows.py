"""Rows of a store directory: what a program writes if there is no value is not a name, and not a label."""

import pytest

from services.ingest.parse.chunks import open_table
from services.ingest.parse.local_hours import parse_local_hours


@pytest.mark.parametrize("text", ["#N/A", "#REF!", "#NV", "####", "NULL", "nan", "(leer)", r"\N", "<NA>"])
def test_no_value_is_rejected(text: str) -> None:
    table = f"store_id,name,region\nA1,{text},north\nA2,Main,{text}\nA3,Main,north\nA4,,\n"
    layout, chunks = open_table(iter([table.encode()]))
    (chunk,) = chunks
    rejects = parse_local_hours(chunk, layout).rejects
    assert [(one.line, one.reason) for one in rejects] == [(2, "name"), (3, "label")]


@pytest.mark.parametrize("text", ["None", "<none>", "n/a", "N/A", "n.a.", "-", "--", "\u2013"])
def test_a_word_for_none_is_a_label_but_not_a_name(text: str) -> None:
    layout, chunks = open_table(iter([f"store_id,name,region\nA1,{text},north\nA2,Main,{text}\n".encode()]))
    (chunk,) = chunks
    rejects = parse_local_hours(chunk, layout).rejects
    assert [(one.line, one.reason) for one in rejects] == [(2, "name")]


@pytest.mark.parametrize("text", ["#1 Coffee", "Null & Co", "None of the Above", "Nanny's", "A&B", "Café"])
def test_other_words_are_values(text: str) -> None:
    layout, chunks = open_table(iter([f"store_id,name,region\nA1,{text},{text}\n".encode()]))
    (chunk,) = chunks
    assert parse_local_hours(chunk, layout).rejects == []
