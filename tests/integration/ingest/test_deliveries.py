"""Hours take effect by delivery, and for each store completely or not at all: by the command and by HTTP alike."""

from pathlib import Path

import psycopg
import pytest

from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.deliveries import Deliver, days, table, week


def test_the_files_of_a_delivery_are_a_union_and_the_next_delivery_replaces(
    deliver: Deliver, database_url: str
) -> None:
    parts = {
        "part-0000.csv": table(*week("lake-1", 0, 1, 2)),
        "part-0001.csv": table(*week("lake-1", 3, 4, 5, 6), *week("other", 0)),
    }
    _, warnings = deliver(parts)
    assert (days(database_url, "lake-1"), days(database_url, "other")) == ([0, 1, 2, 3, 4, 5, 6], [0])
    assert warnings == []
    with psycopg.connect(database_url) as conn:
        counted = conn.execute(
            "select accepted, duplicate, rejected from import where kind = 'hours' order by source"
        ).fetchall()
        assert counted == [(3, 0, 0), (5, 0, 0)]
        assert conn.execute("select count(*) from import_staged").fetchone() == (0,)

    _, warnings = deliver({"fewer.csv": table(*week("lake-1", 0, 1, 2))})
    assert (days(database_url, "lake-1"), days(database_url, "other")) == ([0, 1, 2], [0])
    assert len(warnings) == 1
    assert "lake-1 is now open 36 h a week; it was 84 h" in warnings[0]

    deliver(dict(reversed(parts.items())))
    assert days(database_url, "lake-1") == [0, 1, 2, 3, 4, 5, 6]
    deliver({"alone.csv": parts["part-0001.csv"]})
    assert days(database_url, "lake-1") == [3, 4, 5, 6], "the same bytes alone mean other hours"


def test_a_rejected_row_leaves_its_store_as_it_was_throughout_the_delivery(
    deliver: Deliver, database_url: str
) -> None:
    deliver({"good.csv": table(*week("lake-2", *range(7)), *week("lake-3", *range(7)))})
    bad = [*week("lake-2", 0, 1), "lake-2,2,25:00,21:00", *week("lake-3", 0, 1, 2, 3)]
    new = ["new,0,nine,21:00", *week("new", 1, 2)]
    text, warnings = deliver({"a.csv": table(*week("lake-2", 5, 6)), "b.csv": table(*bad, *new)})
    assert days(database_url, "lake-2") == list(range(7))
    assert days(database_url, "lake-3") == [0, 1, 2, 3]
    assert days(database_url, "new") == []
    assert len(warnings) == 2, text
    # The store without hours comes first.
    assert (
        "if 'new' is a store, it HAS NO HOURS and counts as open 24x7: no store has this id yet"
        in warnings[0]
    )
    assert "line 9 was rejected (time)" in warnings[0]
    assert "store lake-2 keeps the hours it had: line 4 was rejected (time)" in warnings[1]
    with psycopg.connect(database_url) as conn:
        rejected = conn.execute(
            "select import.source, line, reason, convert_from(raw, 'UTF8') from import_reject"
            " join import on id = import_id order by import.source, line"
        ).fetchall()
    assert [(Path(source).name, *rest) for source, *rest in rejected][:3] == [
        ("a.csv", 2, "store_incomplete", "lake-2,5,09:00,21:00"),
        ("a.csv", 3, "store_incomplete", "lake-2,6,09:00,21:00"),
        ("b.csv", 2, "store_incomplete", "lake-2,0,09:00,21:00"),
    ]
    assert len(rejected) == 2 + 3 + 3


def test_a_rejected_zone_leaves_the_store_as_it_was(deliver: Deliver, database_url: str) -> None:
    header = "store_id,timezone_str"
    deliver({"zones.csv": table("a,America/Denver", header=header)})
    _, warnings = deliver({"zones.csv": table("a,UTC", "a,Mars/Base", "b,Mars/Base", "c,UTC", header=header)})
    with psycopg.connect(database_url) as conn:
        zones = conn.execute("select store_id, timezone from store order by 1").fetchall()
    assert zones == [("a", "America/Denver"), ("c", "UTC")]
    assert len(warnings) == 2
    assert "store a keeps the time zone it had: line 3 was rejected (timezone)" in warnings[0]
    assert "if 'b' is a store, it has no time zone and counts as America/Chicago" in warnings[1]
    assert "line 4 was rejected" in warnings[1]


def test_days_numbered_from_1_to_7_count_from_monday(deliver: Deliver, database_url: str) -> None:
    _, warnings = deliver(
        {
            "a.csv": table(*week("lake-9", 1, 2)),
            "b.csv": table(*week("lake-9", 6, 7)),
            "names.csv": table(*week("named", "Tue")),
        }
    )
    # A rejected row and the rows that it holds back tell the numbers too.
    deliver({"c.csv": table("held,1,x,y", *week("held", 7), *week("other", 1))})
    assert (days(database_url, "held"), days(database_url, "other")) == ([], [0])
    assert (days(database_url, "lake-9"), days(database_url, "named")) == ([0, 1, 5, 6], [1])
    assert len(warnings) == 2
    assert all("1 is read as Monday, 7 as Sunday" in warning for warning in warnings)


@pytest.mark.parametrize("line", ["Count,7,,", "Summe,7,,", "Average,7,12:30,", "printed,7,x,y", "Count,0,,"])
def test_what_is_rejected_and_no_store_does_not_say_how_days_are_numbered(
    deliver: Deliver, database_url: str, line: str
) -> None:
    deliver({"a.csv": table(*week("lake", 1, 2), line), "b.csv": table(*week("other", 1, 3))})
    assert (days(database_url, "lake"), days(database_url, "other")) == ([1, 2], [1, 3])
    deliver({"c.csv": table(*week("seven", 1, 7), line)})
    assert days(database_url, "seven") == [0, 6]


@pytest.mark.parametrize("closed", ["lake,7,,", "lake,7,closed,closed"])
def test_a_rejected_row_of_a_store_says_how_days_are_numbered(
    deliver: Deliver, database_url: str, closed: str
) -> None:
    deliver({"a.csv": table(*week("lake", 1, 2), closed), "b.csv": table(*week("other", 1, 3))})
    assert (days(database_url, "lake"), days(database_url, "other")) == ([], [0, 2])
    deliver({"zones.csv": table("lake,UTC", header="store_id,timezone_str")})
    deliver({"c.csv": table(closed, *week("other", 2))})
    assert days(database_url, "other") == [1]


def test_contradicting_day_numbers_are_refused(deliver: Deliver, database_url: str) -> None:
    text, _ = deliver({"both.csv": table(*week("both", 0, 1, 7))})
    assert "day_numbers" in text or "both day 0 and day 7" in text or not text
    assert days(database_url, "both") == []


def test_a_file_that_is_named_twice_is_loaded_once(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text(table(*week("a", 0, 1)))
    done = run_ingest(database_url, str(tmp_path), str(tmp_path / "h.csv"), str(tmp_path / "." / "h.csv"))
    assert done.stdout.count(b"h.csv") == 1
    assert b"resumed" not in done.stderr


def test_a_store_held_back_by_another_file_holds_up_nothing(deliver: Deliver, database_url: str) -> None:
    header = "store_id,day,open,close"
    files = {"a.csv": f"{header}\nb,0,09:00,12:00\nc,0,xx,12:00\n", "b.csv": f"{header}\nc,1,09:00,12:00\n"}
    deliver(files)
    with psycopg.connect(database_url) as conn:
        found = conn.execute(
            "select import.source, reason from import_reject join import on id = import_id order by 1"
        )
        assert [(Path(source).name, reason) for source, reason in found] == [
            ("a.csv", "time"),
            ("b.csv", "store_incomplete"),
        ]


def test_a_refused_file_of_hours_adds_no_store(deliver: Deliver, database_url: str) -> None:
    deliver({"a.csv": "store_id,day,open,close\nnew,0,09:00,12:00\nnew,7,09:00,12:00\n"})
    with psycopg.connect(database_url) as conn:
        assert conn.execute(
            "select state, error ->> 'reason' from import where kind = 'hours'"
        ).fetchall() == [("failed", "day_numbers")]
        assert conn.execute("select count(*) from store where store_id = 'new'").fetchone() == (0,)
