"""Columns that a kind of file does not have: named, or refused if they change what a row means."""

import pytest

from services.ingest.parse.chunks import read_layout
from services.ingest.quality_warnings import describe_unread
from shared.errors import BadInputFile

HOURS = "store_id,day,open,close"
SPECIAL = "store_id,date,open,close"
POLLS = "store_id,status,timestamp_utc"


def refuse(header: str) -> str:
    with pytest.raises(BadInputFile) as refusal:
        read_layout(iter([f"{header}\n".encode()]))
    assert refusal.value.reason == "header"
    return str(refusal.value)


@pytest.mark.parametrize(
    "header",
    [
        f"{HOURS},open2,close2",
        f"{HOURS},open 2,close 2",
        f"{HOURS},start_time_local_2,end_time_local_2",
        f"{HOURS},open.1",
        f"{SPECIAL},Open (2),Close (2)",
        f"{HOURS},second_open,second_close",
        f"{HOURS},Open 2nd,Close 2nd",
    ],
)
def test_a_second_opening_in_a_row_is_not_lost(header: str) -> None:
    assert "write each opening in a row of its own" in refuse(header)


@pytest.mark.parametrize(
    "header",
    [
        f"{POLLS},status.1",
        f"{POLLS},status_duplicated_0",
        f"{POLLS},status...4",
        f"{POLLS},timestamp_utc_2",
        f"{POLLS},store_id.1",
        "store_id,timezone,timezone.1",
    ],
)
def test_a_doubled_column_that_a_program_renamed(header: str) -> None:
    assert "looks like a second" in refuse(header)


@pytest.mark.parametrize(
    "name",
    [
        "closed",
        "is_closed",
        "Closed (Y/N)",
        "closed?",
        "closed_today",
        "Is Open",
        "is_24_hours",
        "24h",
        "24/7",
        "all_day",
        "store_closed",
        "isClosed",
        "closedToday",
        "Ruhetag",
        "geschlossen?",
        "est_fermé",
        "cerrado",
        "zamknięte",
        "Kapali",
        "выходной",
        "定休日",
    ],
)
def test_a_flag_beside_the_times_is_not_ignored(name: str) -> None:
    assert "leave out the rows of closed days" in refuse(f"{HOURS},{name}")
    assert "leave both times of a closed date empty" in refuse(f"{SPECIAL},{name}")


@pytest.mark.parametrize("name", ["holiday", "Is Holiday", "Feiertag"])
def test_rows_for_holidays_are_special_hours(name: str) -> None:
    assert "write these as special hours" in refuse(f"{HOURS},{name}")
    assert read_layout(iter([f"{SPECIAL},{name}\n".encode()])).unread == (name,)


@pytest.mark.parametrize("name", ["break_start", "lunch", "Mittagspause von"])
def test_a_break_is_not_ignored(name: str) -> None:
    assert "the openings before and after it" in refuse(f"{HOURS},{name}")


@pytest.mark.parametrize("name", ["valid_from", "gültig bis"])
def test_a_zone_holds_at_all_times(name: str) -> None:
    assert "leave only the rows that hold now" in refuse(f"store_id,timezone,{name}")


@pytest.mark.parametrize(
    "name",
    [
        "is_closed",
        "Ruhetag",
        "Ruhetage",
        "open2",
        "second_open",
        "closed_date",
        "lunch_start",
        "opening_hours",
        "hours",
        "open_days",
        "overnight",
        "valid_from",
        "valid_to",
        "von",
        "second_opening",
        "timezone.1",
        "name2",
    ],
)
def test_a_label_that_seems_to_say_when_a_store_is_open(name: str) -> None:
    told = refuse(f"store_id,name,{name}")
    assert told.endswith(f"for example store_{name}")
    assert read_layout(iter([f"store_id,name,store_{name}\n".encode()])).labels == (f"store_{name}",)


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("closed?", "store_closed"),
        ("fermé", "store_ferme"),
        ("Öffnungszeiten", "store_Offnungszeiten"),
        ("jours d'ouverture", "store_jours_d_ouverture"),
        ("closed " * 12, f"store_{'closed_' * 8}c"),
    ],
)
def test_the_name_that_is_offered_for_a_label_is_accepted(name: str, offered: str) -> None:
    assert f"for example to {offered}, or" in refuse(f"store_id,name,{name}")
    assert read_layout(iter([f"store_id,name,{offered}\n".encode()])).labels == (offered,)


def test_a_name_of_ones_own_may_be_in_any_case() -> None:
    assert read_layout(iter([b"store_id,name,Store_Closed\n"])).labels == ("Store_Closed",)


@pytest.mark.parametrize("name", ["effective_to", "Valid From", "effective_date", "until"])
def test_dates_that_limit_hours_are_not_ignored(name: str) -> None:
    assert "effective_from" in refuse(f"{HOURS},{name}")
    assert "a row for each date" in refuse(f"{SPECIAL},{name}")


@pytest.mark.parametrize(
    ("header", "unread"),
    [
        (f"id,{POLLS},Channel 2,status_code", ("id", "Channel 2", "status_code")),
        (f"{POLLS},timestamp,closed", ("timestamp", "closed")),
        (f",{HOURS},effective_from,note", ("note",)),
        (f"{POLLS},,Unnamed: 4", ()),
        ("store_id,name,region,holiday,disclosed,fermentation,serves_lunch,opening_date,tags", ()),
        (f"{HOURS},manager,status_code,breakfast", ("manager", "status_code", "breakfast")),
    ],
)
def test_other_columns_are_named(header: str, unread: tuple[str, ...]) -> None:
    assert read_layout(iter([f"{header}\n".encode()])).unread == unread


@pytest.mark.parametrize("name", ["utc_offset", "Zeitzone", "tz_offset", "offset_minutes"])
def test_times_without_a_zone_are_not_utc_beside_a_column_of_zones(name: str) -> None:
    layout = read_layout(iter([f"{POLLS},{name}\n".encode()]))
    assert (layout.is_utc, layout.unread) == (False, (name,))
    assert read_layout(iter([f"{POLLS},remark\n".encode()])).is_utc


@pytest.mark.parametrize(
    "header", ["store_id,status,timestamp_local", "store_id,status,local time", f"{POLLS},tz"]
)
def test_local_times_of_polls_are_not_made_utc(header: str) -> None:
    assert "Local times of polls are not read: write each instant in UTC, or with its offset" in refuse(
        header
    )


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a,active,2024-10-14 09:00:00", "active"),
        ("a;Inactive;14/10/2024 9:00", "Inactive"),
        ("a,1,2024-10-14T09:00:00Z", "2024-10-14T09:00:00Z"),
        ("a,Monday,9:00,17:00", "9:00"),
        ("a,2024-12-25,,", "2024-12-25"),
        ("a,America/New_York", "America/New_York"),
    ],
)
def test_a_first_line_that_is_a_row(line: str, value: str) -> None:
    assert f"looks like a row, as '{value}' is not the name of a column" in refuse(line)


@pytest.mark.parametrize(
    "line", ["store_id,2024-12-25,2024-12-26", "shop,active", "shop,state,at", "store_id,9:00,10:00"]
)
def test_a_header_with_a_known_name_is_no_row(line: str) -> None:
    assert ("looks like a row" in refuse(line)) == (line == "shop,active")


def test_a_sentence_names_the_first_columns() -> None:
    assert describe_unread(["a", "b"]) == "columns that are not read: 'a', 'b'"
    assert describe_unread([str(number) for number in range(25)]).endswith("'19' and 5 more")


@pytest.mark.parametrize("title", ["Export of Monday\n", "Report;;\n;;\n\n", "# a comment\n"])
def test_a_title_above_the_table_is_told_from_the_header(title: str) -> None:
    with pytest.raises(BadInputFile, match=f"line {title.count(chr(10)) + 1} has the names of the columns"):
        read_layout(iter([f"{title}{POLLS}\r\na,active,2024-10-14T09:00:00Z\n".encode()]))


def test_quoted_names_of_an_unknown_header_are_shown() -> None:
    assert '"shop","status","timestamp"' in refuse('"shop","status","timestamp"')


def test_two_byte_order_marks() -> None:
    assert read_layout(iter([b"\xef\xbb\xbf" * 2 + POLLS.encode()])).kind == "polls"
