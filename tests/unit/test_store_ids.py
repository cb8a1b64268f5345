"""The rule for store ids: what is stripped, what is rejected, and that files and JSON follow the same one."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.http.live_polls import LivePolls, check_polls
from services.ingest.parse.chunk import Chunk
from services.ingest.parse.header import Layout
from services.ingest.parse.polls import PollParser, validate_polls
from services.ingest.parse.rows import split_by_line, split_rows
from services.ingest.parse.store_ids import check_store_ids
from shared.errors import InvalidRequest
from shared.store_ids import (
    clean_store_id,
    describe_id_fault,
    find_id_fault,
    guess_store_id,
    require_store_id,
)
from tests.unit.test_ingest_instants import POLL

LAYOUT = Layout("polls", 3, (0, 1, 2))
NOW = POLL + 3_600_000_000
AT = "2024-10-14 23:55:18.727055 UTC"

ODD = [
    *("8E5", "1.23E+17", "1e10", "1,23E+17", "-1.5e-3", "8.E5", ".5E1", "1.2345678901234567e+308", "+8E5"),
    *("12345.0", "0.0", "-7.0", "12.00", "123,0", "v1.0", "1.0.0", "store 12.0"),
    *("NULL", "null", "Null", "(null)", "<NULL>", "nan", "NaN", "NAN", "-nan", "None", "none", "NONE", "<none>"),
    *("N/A", "n/a", "#N/A", "<NA>", "n.a.", "undefined", r"\N", "[object Object]"),
    *("1,234", "12,345,678", '="00123"', '="fca22568-98bf-449b-89ed-15a37ab475e1"', "'00124"),
    *("(blank)", "7-Sep", "14-OCT", "1-jan", "caf\ufffd", "\ufffd"),
    *("07. Sep", "01.Mrz", "7-janv.", "07.Eyl", "07/set", "2024-09-07", "07.09.2024", "7/9/2024", "2024-09-07 00:00:00"),
    *("1'234", "12\u2019345", "'A2'", '"A1"', "\u201cA1\u201d", "\u201eA1\u201c", "\u00abA1\u00bb", "\u2018A1\u2019"),
    *("A&amp;B", "Caf&eacute;", "a&#233;", "Caf\u00c3\u00a9", "M\u00c3\u00bcnchen", "\u00d0\u00bc"),
    *("#NV", "#WERT!", "#BEZUG!", "#VALEUR!", "#\u00a1REF!", "#YOK", "#\u041d/\u0414", "(leer)", "(vide)", "(en blanco)", "(bo\u015f)"),
    *("#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "########", "#SPILL!"),
]  # fmt: skip
FINE = [
    *("7", "007", "8419537941919820732", "fca22568-98bf-449b-89ed-15a37ab475e1", "12.5", "10.0.0.1", "1.01"),
    *("E5", "8E", "8E5F", "3e", "store-17", "e-17", "1e", "NA", "Nulltown", "nans", "nonesuch", "Nan's", "#1", "#12"),
    *("'s-Gravenhage", "=a", "#b4", "7-Sept", "A & B", "A&B;", "S\u00c3O", "1.2.2024.5", "12.04.17", "(north)", "#hash", "123-Oct", "A-Oct", "7-Sep-2", "Oct-14", "blank"),
    *("a b", "a/b c", "\u00e9", "\u6771\u4eac", "ns-0", "1-0", "100", "200.", "0", "+", "-", "n", "u", "store_0"),
]  # fmt: skip
EDGES = [
    " ",
    "\u00a0",
    "\u3000",
    "\u2003",
    "\u200b",
    "\ufeff",
    "\u200e",
    "\u200f",
    "\u202a",
    "\u202c",
    "\u2066",
]
EDGES += ["\u2060", "\u061c", "\u200d", "\u1680", "\u202f"]
INSIDE = [
    "\x00",
    "\x1f",
    "\x7f",
    "\x85",
    "\u00ad",
    "\u200b",
    "\u200d",
    "\u200e",
    "\u202e",
    "\u2028",
    "\u2029",
    "\ufeff",
]
INSIDE += ["\u2060", "\u2066", "\U000e0041", "\ud800", "\u00a0", "\u3000", "\u2003"]


@pytest.mark.parametrize("store_id", ODD)
def test_an_odd_id_is_rejected_unless_allowed(store_id: str) -> None:
    assert find_id_fault(store_id, allow_odd=False) == "odd_id"
    assert find_id_fault(store_id, allow_odd=True) is None


@pytest.mark.parametrize("store_id", [*FINE, "1,23", "a,b", "12,3456"])
def test_an_id_that_is_not_odd(store_id: str) -> None:
    assert require_store_id(store_id, allow_odd=False) == store_id


@pytest.mark.parametrize("edge", EDGES, ids=ascii)
def test_spaces_and_marks_at_the_ends_are_stripped(edge: str) -> None:
    for text in (f"{edge}caf\u00e9", f"a{edge}", f"{edge} {edge}a b{edge}{edge} "):
        inner = text.strip("".join(EDGES))
        assert require_store_id(text, allow_odd=False) == inner
        assert guess_store_id(text) == inner


@pytest.mark.parametrize("char", INSIDE, ids=ascii)
def test_they_are_rejected_inside(char: str) -> None:
    fault = find_id_fault(clean_store_id(f"a{char}b"), allow_odd=True)
    assert fault == ("store_id" if unicodedata.category(char) == "Zs" else "control_character")
    with pytest.raises(InvalidRequest, match="the store id") as refusal:
        require_store_id(f"a{char}b", allow_odd=True)
    assert (refusal.value.field, str(refusal.value)) == ("store_id", describe_id_fault(f"a{char}b", fault))


@pytest.mark.parametrize("char", ["\t", "\n", "\r", "\x1c", "\u2028", "\u00ad", "\u2063"])
def test_other_controls_are_rejected_at_the_ends_too(char: str) -> None:
    for text in (f"{char}a", f"a{char}"):
        assert find_id_fault(clean_store_id(text), allow_odd=True) == "control_character"


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\u00a0\u200b \ufeff"])
def test_nothing_is_no_id(text: str) -> None:
    assert find_id_fault(clean_store_id(text), allow_odd=True) == "no_id"


@pytest.mark.parametrize("text", ["x" * 1025, "\u00e9" * 513])
def test_what_is_left_has_at_most_1024_bytes(text: str) -> None:
    assert find_id_fault(clean_store_id(text), allow_odd=True) == "store_id"


@pytest.mark.parametrize(
    ("text", "composed"),
    [("cafe\u0301", "caf\u00e9"), ("\u1112\u1161\u11ab", "\ud55c"), ("\u212b", "\u00c5"), ("\u212a1", "K1")],
)
def test_ids_are_composed(text: str, composed: str) -> None:
    assert clean_store_id(text) == composed == unicodedata.normalize("NFC", text)


def parse(ids: list[str], *, allow_odd: bool = False) -> tuple[list[str], list[str]]:
    """Return the accepted ids and the reasons of the rejected rows."""
    written = ['"' + text.replace('"', '""') + '"' if '"' in text else text for text in ids]
    data = "".join(f"{text},active,{AT}\n" for text in written).encode()
    rows = split_rows(Chunk(2, 30, 30 + len(data), data), LAYOUT)
    valid = validate_polls(rows, NOW, allow_odd_ids=allow_odd)
    return valid.ids.to_list(), [reject.reason for reject in valid.rejects]


@pytest.mark.parametrize("others", [[], ["caf\u00e9"], [" a"], ["fca22568-98bf-449b-89ed-15a37ab475e1"] * 3])
def test_a_file_follows_the_rule(others: list[str]) -> None:
    ids = [store_id for store_id in (*FINE, *ODD) if "," not in store_id]
    accepted, reasons = parse([*others, *ids, *others])
    assert accepted == [clean_store_id(text) for text in (*others, *FINE, *others)]
    assert set(reasons) == {"odd_id"}
    assert len(reasons) == len(ids) - len(FINE)
    assert parse([*others, *ids], allow_odd=True)[1] == []


_TEXT = st.one_of(
    st.sampled_from([*ODD, *FINE, *(f"{edge}a{edge}" for edge in EDGES), *(f"a{char}b" for char in INSIDE)]),
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.text("0123456789eE.+-,na", max_size=9),
).filter(lambda text: not set(text) & set('\n\r",\ud800'))


@given(ids=st.lists(_TEXT, min_size=1, max_size=12), allow_odd=st.booleans())
def test_files_and_json_agree(ids: list[str], *, allow_odd: bool) -> None:
    accepted, reasons = parse(ids, allow_odd=allow_odd)
    faults = [find_id_fault(clean_store_id(text), allow_odd=allow_odd) for text in ids]
    assert accepted == [clean_store_id(text) for text, fault in zip(ids, faults, strict=True) if not fault]
    assert sorted(reasons) == sorted(fault for fault in faults if fault)
    polls = check_polls(ids, ["active"] * len(ids), [AT] * len(ids), allow_odd_ids=allow_odd)
    if isinstance(polls, LivePolls):
        assert polls.ids == accepted
    else:
        assert [poll.message for poll in polls] == [
            describe_id_fault(clean_store_id(text), fault)
            for text, fault in zip(ids, faults, strict=True)
            if fault
        ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the store id is empty"),
        (".", "the store id '.' cannot be part of a URL"),
        ("..", "the store id '..' cannot be part of a URL"),
        ("x" * 1025, "the store id is longer than 1024 bytes"),
        ("8E5", "set UPTILL_ALLOW_ODD_IDS=true for the service"),
    ],
)
def test_a_caller_over_http_is_told_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        require_store_id(text, allow_odd=False)
    assert said in str(refusal.value)
    assert "--allow" not in str(refusal.value)


def test_an_odd_id_in_a_short_chunk_and_in_quotes() -> None:
    for data in (b"8E5,active,%b\n", b'"8E5",active,%b\n', b"7,active,%b\n8E5,active,%b\n"):
        text = data.replace(b"%b", AT.encode())
        faults: dict[int, str] = {}
        check_store_ids(split_by_line(Chunk(2, 0, len(text), text), LAYOUT), faults)
        assert list(faults.values()) == ["odd_id"]


@given(chunks=st.lists(st.lists(_TEXT, min_size=1, max_size=5), min_size=1, max_size=4))
def test_ids_of_earlier_chunks_follow_the_same_rule(chunks: list[list[str]]) -> None:
    parser = PollParser(LAYOUT)
    first_line = 2
    for ids in chunks:
        data = "".join(f"{text},active,{AT}\n" for text in ids).encode()
        parsed = parser.parse_chunk(Chunk(first_line, 30, 30 + len(data), data), NOW)
        first_line += len(ids)
        wanted = [
            clean_store_id(text) for text in ids if not find_id_fault(clean_store_id(text), allow_odd=False)
        ]
        known = parser.list_stores()
        found = [known[number] for number in parsed.deduped.polls.store.tolist()]
        assert sorted(found) == sorted(set(wanted))
        assert len(ids) - len(parsed.rejects) == len(wanted)
        assert sorted(reject.reason for reject in parsed.rejects) == sorted(
            fault for text in ids if (fault := find_id_fault(clean_store_id(text), allow_odd=False))
        )


def test_a_parser_that_allows_odd_ids_numbers_them() -> None:
    data = f"NULL,active,{AT}\n".encode()
    parser = PollParser(LAYOUT, allow_odd_ids=True)
    parser.parse_chunk(Chunk(2, 30, 30 + len(data), data), NOW)
    assert parser.list_stores() == ["NULL"]
