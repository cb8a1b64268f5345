"""Which headers are those of a store directory, and which columns of it are labels."""

import pytest

from services.ingest.parse.header import read_header
from services.ingest.parse.label_columns import suggest_label
from shared.errors import BadInputFile
from shared.labels import is_label_name


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("store_id,name", "stores"),
        ("Store ID;Name;Time Zone", "stores"),
        ("store_id,name,timezone_str,opened_at,closed_at", "stores"),
        ("store_id,store_name,region", "stores"),
        ("id;name;timezone;region", "stores"),
        # What was another kind of file before stays one.
        ("store_id,timezone_str", "timezones"),
        ("store_id,store_name,timezone_str", "timezones"),
        ("store_id,opened_at,closed_at", "lifetimes"),
        ("store_id,name,status,timestamp_utc", "polls"),
        ("store,name,status,timestamp", "polls"),
        ("store_id,name,day,start_time_local,end_time_local", "hours"),
        ("store_id,name,weekday,open,close", "hours"),
        ("store_id,name,date,start_time_local,end_time_local", "special_hours"),
        ("store_id,name,starts_at,ends_at,treatment,reason,note", "closures"),
    ],
)
def test_a_file_is_a_directory_only_if_it_can_be_nothing_else(header: str, kind: str) -> None:
    assert read_header(header.encode()).kind == kind


def test_columns_without_another_meaning_are_labels() -> None:
    layout = read_header(b"region,name,store_id,tz,Owner ,,closed_at")
    assert layout.columns == (2, 1, 3, 6, 0, 4)
    assert (layout.optional, layout.labels) == (((2, "timezone_str"), (3, "closed_at")), ("region", "Owner"))
    assert layout.unnamed == (5,)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("store_id,name,status", "store_status"),
        ("store_id,name,timestamp", "store_timestamp"),
        ("store_id,name,open", "store_open"),
        ("store_id,name,zone", "timezone"),
        ("id,name,Zone", "store_Zone"),
        ("id,name,status,timestamp", "header is unknown"),
        ("store_id,name,Straße 1", "Strasse_1"),
        ("store_id,name,größe", "grosse"),
        ("store_id,name,phone (main)", "phone_main"),
        ("store_id,name,店", "label"),
        ("store_id,name,region,region", "region twice"),
        ("store_id,name,name", "name twice"),
        ("store_id,name," + ",".join(f"l{n}" for n in range(33)), "33 columns"),
        ("store_id,name,timezone,day,start_time_local,end_time_local", "more than one kind"),
    ],
)
def test_what_to_write_instead(header: str, told: str) -> None:
    with pytest.raises(BadInputFile) as refusal:
        read_header(header.encode())
    assert refusal.value.reason == "header"
    assert told in str(refusal.value)


@pytest.mark.parametrize("text", ["Straße", "a" * 99, "..", "- x -", "ﬁ²", "\u200f", "ÄÖÜ/1", "_"])
def test_every_suggestion_is_a_valid_name(text: str) -> None:
    assert is_label_name(suggest_label(text))


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"store id,day (0-6),opens (local),closes [local]", "Remove the units in parentheses"),
        (b"store_id,status,timestamp (UTC)", "timestamps in UTC"),
        (b"store_id,mon_open,mon_close,tue_open,tue_close", "write a row for each store and day"),
        (b"store_id;Monday;Tuesday", "write a row for each store and day"),
        (b'"store', "A quote is not closed in this line"),
    ],
)
def test_what_is_wrong_with_an_unknown_header(header: bytes, told: str) -> None:
    with pytest.raises(BadInputFile, match="the header is unknown") as refusal:
        read_header(header)
    assert told in str(refusal.value)
