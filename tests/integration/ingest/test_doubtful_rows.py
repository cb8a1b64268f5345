"""What is said about rows that may not mean what they say: stores that do not exist, and clocks of twelve hours."""

import pytest

from tests.integration.ingest.conftest import LoadFile
from tests.integration.ingest.deliveries import Deliver, days, table, week

ZONES = "store_id,timezone_str"


def test_a_row_of_an_unknown_store_may_be_no_store(deliver: Deliver) -> None:
    deliver({"good.csv": table(*week("known", 0, 1))})
    _, warnings = deliver(
        {
            "zones.csv": table("a,UTC", "b,UTC", "All,4", header=ZONES),
            "hours.csv": table(
                *week("a", 0, 1), *week("b", 0), "All,,,", '"h"c,1,09:00,18:00', "known,x,9:00,18:00"
            ),
        }
    )
    said = "\n".join(warnings)
    assert "if 'All' is a store, it has no time zone and counts as America/Chicago" in said
    assert "if 'All' is a store, it HAS NO HOURS and counts as open 24x7: no store has this id yet" in said
    assert "line 6 was rejected (quoting), and names 'h\"c', which does not exist" in said
    assert "store known keeps the hours it had: line 7 was rejected (day)" in said
    assert "store All" not in said


def test_a_store_with_dated_hours_has_hours(deliver: Deliver) -> None:
    header = "store_id,day_of_week,start_time_local,end_time_local,effective_from"
    deliver({"od.csv": table("od,3,09:00,10:00,2026-10-29", header=header)})
    _, warnings = deliver(
        {"more.csv": table("od,3,09:00,10:00,2026-10-29", "od,x,9:00,10:00,2026-10-29", header=header)}
    )
    said = "\n".join(warnings)
    assert "store od keeps the hours it had: line 3 was rejected (day)" in said
    assert "HAS NO HOURS" not in said
    _, warnings = deliver({"life.csv": "store_id,opened_at,closed_at\nod,2024-05-01T00:00Z,\n"})
    assert "has no polls" not in "\n".join(warnings)


def test_a_row_with_another_separator_holds_its_store(deliver: Deliver, database_url: str) -> None:
    deliver({"good.csv": table(*week("hf", *range(7)))})
    _, warnings = deliver({"hours.csv": table(*week("hf", 0), "hf;1;09:00;18:00", *week("other", 0, 1))})
    assert days(database_url, "hf") == list(range(7))
    assert "store hf keeps the hours it had: line 3 was rejected (columns)" in warnings[0]


def test_half_a_clock_of_twelve_hours_is_rejected(deliver: Deliver, database_url: str) -> None:
    deliver(
        {
            "hours.csv": table(
                "mixed,0,9:00 AM,5:00",
                "mixed2,0,9:00,5:00 PM",
                "late,0,9:00 AM,17:00",
                "midnight,0,0:30,5:00 AM",
                "alike,0,9:00 AM,5:00 PM",
                "end,0,1:00 PM,24:00",
                *week("more", 0, 1, 2),
            )
        }
    )
    assert [days(database_url, store) for store in ("mixed", "mixed2")] == [[], []]
    assert [days(database_url, store) for store in ("late", "midnight", "alike", "end")] == [[0]] * 4


def test_hours_with_a_fraction_are_not_read_as_minutes(deliver: Deliver, database_url: str) -> None:
    deliver(
        {
            "hours.csv": table(
                "half,0,9.00,17.50",
                "quarter,0,9.25,17.00",
                "third,0,9:00,17.33",
                "dotted,0,9.30,23.59",
                "colon,0,9:50,17:25",
                *week("more", 0, 1, 2),
            )
        }
    )
    assert [days(database_url, store) for store in ("half", "quarter", "third")] == [[]] * 3
    assert [days(database_url, store) for store in ("dotted", "colon")] == [[0]] * 2


def test_special_hours_follow_the_same_rule(load_file: LoadFile) -> None:
    rows = ["a,2024-12-25,9:00 AM,5:00", *(f"b,2024-12-{day},9:00,17:00" for day in range(10, 15))]
    header = "store_id,date,start_time_local,end_time_local"
    assert load_file(table(*rows, header=header).encode()).rejects == [(2, "half_of_day")]
    rows[0] = "a,2024-12-25,9:00,17.50"
    assert load_file(table(*rows, header=header).encode()).rejects == [(2, "decimal_hours")]


def test_a_long_opening_across_midnight_is_doubted(deliver: Deliver) -> None:
    _, warnings = deliver(
        {
            "hours.csv": table(
                *week("day", 0, 1, opens="9:00", closes="5:00"),
                *week("bar", 0, opens="18:00", closes="03:00"),
                *week("always", 0, opens="09:00", closes="09:00"),
                *week("long", 0, opens="05:00", closes="23:30"),
            )
        }
    )
    assert len(warnings) == 1
    assert (
        "2 openings last more than 16 hours and end on the next day, such as 09:00 to 05:00 of store day"
        in warnings[0]
    )
    assert "(line 2)" in warnings[0]


def test_the_same_time_twice_may_mean_closed(deliver: Deliver) -> None:
    _, warnings = deliver(
        {
            "hours.csv": table(
                *week("shut", 0, 1, 2),
                *week("shut", 5, 6, opens="00:00", closes="0:00:00"),
                *week("always", *range(7), opens="00:00", closes="00:00"),
                *week("clear", 0),
                *week("clear", 1, opens="00:00", closes="24:00"),
            )
        }
    )
    assert len(warnings) == 1
    assert (
        "2 openings have the same time twice and count as 24 hours, such as line 5 of store shut"
        in warnings[0]
    )


def test_a_special_date_with_the_same_time_twice_may_be_closed(deliver: Deliver) -> None:
    header = "store_id,date,start_time_local,end_time_local"
    deliver({"hours.csv": table(*week("a", 0))})
    _, warnings = deliver({"special.csv": table("a,2024-12-25,00:00,00:00", header=header)})
    assert len(warnings) == 1
    assert (
        "1 opening has the same time twice and counts as 24 hours, such as line 2 of store a" in warnings[0]
    )
    assert "a closed special date no times" in warnings[0]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (
            "store_id,starts_at,ends_at,treatment,reason,note",
            "{},2024-10-14T09:00Z,2024-10-14T10:00Z,exclude,other,",
        ),
        ("store_id,date,start_time_local,end_time_local", "{},2024-12-25,,"),
        ("store_id,opened_at,closed_at", "{},2024-05-01T00:00Z,"),
    ],
)
def test_a_store_that_only_adjustments_name_may_be_mistyped(deliver: Deliver, header: str, row: str) -> None:
    deliver({"hours.csv": table(*week("known", 0))})
    _, warnings = deliver({"more.csv": table(row.format("known"), row.format("all"), header=header)})
    assert len(warnings) == 1
    assert (
        "1 store has no polls, hours or time zone yet, such as 'all' (line 3): correct the id" in warnings[0]
    )
    assert ("for every store, write *" in warnings[0]) == ("treatment" in header)


def test_a_closure_of_every_store_names_no_store(deliver: Deliver) -> None:
    header = "store_id,starts_at,ends_at,treatment,reason,note"
    row = "*,2024-10-14T09:00Z,2024-10-14T10:00Z,exclude,other,"
    assert deliver({"closures.csv": table(row, header=header)})[1] == []


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("store_id,day_of_week,start_time_local,end_time_local", "0,09:00,17:00"),
        (ZONES, "UTC"),
        ("store_id,date,start_time_local,end_time_local", "2024-12-25,,"),
        ("store_id,opened_at,closed_at", "2024-05-01T00:00:00Z,"),
        ("store_id,name", "Shop"),
    ],
)
def test_a_star_is_not_a_store(load_file: LoadFile, header: str, row: str) -> None:
    rows = [f"*,{row}", *(f"{store},{row}" for store in "abc")]
    assert load_file(table(*rows, header=header).encode()).rejects == [(2, "every_store")]


def test_totals_below_a_table_are_not_stores(load_file: LoadFile) -> None:
    totals = ("Total,4", "TOTAL: 4,", "Grand total,", "(4 rows),", "Rows: 4,")
    text = table(*(f"{store},Shop" for store in "abcdef"), *totals, "Total Wine,Shop", header="store_id,name")
    found = load_file(text.encode())
    assert found.rejects == [(line, "summary_row") for line in range(8, 13)]
    assert "keeps" not in found.told
    again = load_file(text.encode(), allow_odd_ids=True)
    assert (again.row["rows_read"], again.rejects) == (12, [])
    rows = [*(f"{store},," for store in "abcdef"), "Total: 6,,"]
    assert load_file(table(*rows, header="store_id,opened_at,closed_at").encode()).rejects == [
        (8, "summary_row")
    ]


@pytest.mark.parametrize(
    ("header", "row", "totals"),
    [
        (
            "store_id,status,timestamp_utc",
            "active,2024-10-14T09:00:00Z",
            ["Total,2", "Total,2,", ",,Total: 2", '"Total: 2"', "(2 rows)"],
        ),
        (
            "store_id,day_of_week,start_time_local,end_time_local",
            "0,09:00,17:00",
            ["Total,2", "Total,2,,", "Count,7,,", "Average,,,", '"Sum","1,200",,', "avg,3.5,9:12,"],
        ),
        (ZONES, "UTC", ["Total,UTC", "Total,2", "Rows: 2,", "Count,7", "Average,"]),
        ("store_id,opened_at,closed_at", "2024-05-01T00:00:00Z,", ["Average,,", "Count,7,"]),
        ("store_id,name,region", "Shop,north", ["Average,,", "Count,7,", "Mean,3.5 %,"]),
    ],
)
def test_a_total_below_any_table_is_called_one(
    load_file: LoadFile, header: str, row: str, totals: list[str]
) -> None:
    rows = [*(f"{store},{row}" for store in "abcdef"), *totals]
    found = load_file(table(*rows, header=header).encode())
    assert found.rejects == [(line, "summary_row") for line in range(8, 8 + len(totals))]
    assert "'Total'" not in found.told


def test_a_store_may_have_a_word_for_a_total_as_its_id(load_file: LoadFile) -> None:
    rows = ["Average,Shop", "Sum,Shop 2", "Count,"]
    assert load_file(table(*rows, header="store_id,name").encode()).rejects == [(4, "summary_row")]
    rows = ["Average,0,09:00,17:00", "Count,0,x,17:00", "a,0,09:00,17:00"]
    header = "store_id,day_of_week,start_time_local,end_time_local"
    assert load_file(table(*rows, header=header).encode()).rejects == [(3, "time")]


@pytest.mark.parametrize(
    ("header", "one", "other"),
    [
        (ZONES, "Europe/Paris", "Europe/Berlin"),
        ("store_id,opened_at,closed_at", "2024-05-01T00:00:00Z,", ","),
        (
            "store_id,starts_at,ends_at,treatment,reason,note",
            "2024-05-01T00:00:00Z,,exclude,,",
            "2024-05-01T00:00:00Z,,as_up,,",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_named(
    deliver: Deliver, header: str, one: str, other: str
) -> None:
    _, warnings = deliver({"a.csv": table(f"a,{one}", f"b,{one}", f"b,{one}", f"a,{other}", header=header)})
    (found,) = [warning for warning in warnings if "contradict each other" in warning]
    assert "1 store has rows that contradict each other, such as 'a' (lines 2 and 5)" in found


def test_closures_with_other_starts_do_not_contradict(deliver: Deliver) -> None:
    rows = ["a,2024-05-01T00:00:00Z,,exclude,,", "a,2024-06-01T00:00:00Z,,as_up,,"]
    _, warnings = deliver({"a.csv": table(*rows, header="store_id,starts_at,ends_at,treatment,reason,note")})
    assert not any("contradict each other" in warning for warning in warnings)


def test_ids_that_no_url_can_name_are_rejected(load_file: LoadFile) -> None:
    rows = [f"{store},active,2024-10-14T09:00:00Z" for store in (".", "..", "...", ".a", "a.", "b", "c", "d")]
    loaded = load_file(table(*rows, header="store_id,status,timestamp_utc").encode())
    assert loaded.rejects == [(2, "store_id"), (3, "store_id")]
