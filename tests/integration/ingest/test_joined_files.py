"""Columns without a name, and files that were joined: nothing is read as something else, by the command and over HTTP."""

import psycopg
import pytest

from tests.integration.ingest.conftest import LoadFile
from tests.integration.ingest.database import observations

POLLS, HOURS = "store_id,status,timestamp_utc", "store_id,day_of_week,start_time_local,end_time_local"
AT, LATER = "2024-09-02 00:00:00", "2024-09-02 01:00:00"


def text(*lines: str) -> bytes:
    return "\n".join([*lines, ""]).encode()


@pytest.mark.parametrize(
    ("data", "accepted", "rejects"),
    [
        # A time zone, which would move the poll by five hours.
        (text(f"{POLLS},", f"a,active,{AT},-05:00", f"b,active,{AT},"), 1, [(2, "unnamed_column")]),
        (text(f"{POLLS},  ", f"a,active,{AT},x", f'b,active,{AT},""'), 1, [(2, "unnamed_column")]),
        (text(f"{POLLS},Unnamed: 3", f"a,active,{AT},x", f"b,active,{AT}, "), 1, [(2, "unnamed_column")]),
        (text(f"{POLLS},\u200b", f"a,active,{AT},x", f"b,active,{AT},"), 1, [(2, "unnamed_column")]),
        (
            text("store_id,,status,timestamp_utc", f"a,inactive,active,{AT}", f"b,,active,{AT}"),
            1,
            [(2, "unnamed_column")],
        ),
        (text(f"{POLLS},,", f"a,active,{AT},,", f"b,active,{AT},,"), 2, []),
        (text(f",{POLLS}", f"0,a,active,{AT}", f"1,b,active,{AT}"), 2, []),
        (
            text(f",{POLLS}", f"0,a,active,{AT}", f"s-1,b,active,{AT}", f"2,c,active,{AT}"),
            2,
            [(3, "unnamed_column")],
        ),
        (text(POLLS, f"a,active,{AT},-05:00", f"b,active,{AT}"), 1, [(2, "columns")]),
        (
            text("store_id,timezone_str,", "a,UTC,Europe/Berlin", "b,UTC,"),
            1,
            [(2, "unnamed_column")],
        ),
        (
            text(f"{HOURS},", "a,0,09:00,12:00,13:00", "b,0,09:00,12:00,"),
            1,
            [(2, "unnamed_column")],
        ),
    ],
    ids=[
        "offset",
        "quotes",
        "pandas",
        "invisible",
        "between",
        "empty",
        "row-numbers",
        "other-numbers",
        "more-fields",
        "zones",
        "hours",
    ],
)
def test_a_column_without_a_name(
    load_file: LoadFile, data: bytes, accepted: int, rejects: list[tuple[int, str]]
) -> None:
    found = load_file(data)
    assert (found.row["accepted"], found.rejects) == (accepted, rejects)


KINDS = {
    "polls": (POLLS, f"a,active,{AT}", f"b,active,{AT}"),
    "hours": (HOURS, "a,0,09:00,17:00", "b,0,09:00,17:00"),
    "zones": ("store_id,timezone_str", "a,Europe/Berlin", "b,Europe/Berlin"),
    "special": ("store_id,date,start_time_local,end_time_local", "a,2024-12-25,,", "b,2024-12-25,,"),
    "stores": ("store_id,name,region", "a,Alpha,north", "b,Beta,"),
    "lifetimes": ("store_id,opened_at,closed_at", "a,2024-01-01T00:00:00Z,", "b,2024-01-01T00:00:00Z,"),
    "closures": (
        "store_id,starts_at,ends_at,treatment,reason,note",
        "a,2024-01-01T00:00:00Z,2024-01-02T00:00:00Z,exclude,works,",
        "b,2024-01-01T00:00:00Z,2024-01-02T00:00:00Z,exclude,works,",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("again", [str, str.upper, '"{}"'.format, "\ufeff{}".format, "{}\r".format])
def test_a_repeated_header_is_named(load_file: LoadFile, kind: str, again: type[str]) -> None:
    header, first, second = KINDS[kind]
    repeated = again(header.replace(",", '","')) if again('"x"') == '""x""' else again(header)
    found = load_file(text(header, first, repeated, second))
    assert (found.row["accepted"], found.rejects) == (2, [(3, "repeated_header")])
    assert "stores_unchanged" not in found.quality


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((POLLS, f"a,active,{AT}"), ("store_id,timestamp_utc,status", f"a,{LATER},active")),
        ((POLLS, f"a,active,{AT}"), ("store_id,status,timestamp", f"a,active,{LATER}")),
        ((POLLS, f"a,active,{AT}"), (HOURS, "a,0,09:00,17:00")),
        # The rows below are valid either way, and mean the opposite.
        (
            (HOURS, "a,0,09:00,17:00"),
            ("store_id,day_of_week,end_time_local,start_time_local", "a,1,17:00,09:00"),
        ),
        ((HOURS, "a,0,09:00,17:00"), ("store;day;open;close", "a;1;09:00;17:00")),
        (KINDS["zones"][:2], (POLLS, f"a,active,{AT}")),
    ],
    ids=["order", "zone", "kind", "times", "separator", "fewer"],
)
def test_another_header_refuses_the_file(
    load_file: LoadFile, database_url: str, first: tuple[str, str], second: tuple[str, str]
) -> None:
    found = load_file(text(*first, *second))
    assert (found.state, found.refusal[0]) == ("failed", "header")
    assert "line 3 is another header" in found.refusal[1]
    assert "line 3 is another header" in found.told
    assert observations(database_url) == {}
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from business_hours").fetchone() == (0,)
