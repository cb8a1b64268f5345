"""Files of dated hours, special hours, lifetimes and closures: what is accepted, replaced, kept and rejected."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.ingest.run import Limits, LoadOptions, ingest_paths
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.database import check_ledger, counts, load

HOURS = "store_id,day,start_time_local,end_time_local"
DATED = f"{HOURS},effective_from"
SPECIAL = "store_id,date,start_time_local,end_time_local"
LIFETIMES = "store_id,opened_at,closed_at"
CLOSURES = "store_id,starts_at,ends_at,treatment,reason,note"
HELD = {
    "dated": "select store_id, effective_from::text, intervals from dated_hours join store using (store_key)",
    "special": "select store_id, date::text, intervals from special_hours join store using (store_key)",
    "lifetimes": "select store_id, opened_at::text, closed_at::text from lifetime join store using (store_key)",
    "closures": "select coalesce(store_id, '*'), starts_at::text, ends_at::text, treatment, reason, note"
    " from closure left join store using (store_key)",
}


def held(database_url: str, kind: str, *, ever: bool = False) -> list[tuple[Any, ...]]:
    """The rows that hold now, or all that ever held."""
    query = HELD[kind] + ("" if ever else " where until_seq is null") + " order by 1, 2, 3"
    with psycopg.connect(database_url, options="-c timezone=UTC") as conn:
        return conn.execute(query.encode()).fetchall()


def one(database_url: str, query: str) -> Any:
    with psycopg.connect(database_url) as conn:
        ((value,),) = conn.execute(query.encode()).fetchall()
    return value


def test_special_hours_replace_the_dates_that_are_named(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "special.csv"
    first = [
        SPECIAL,
        "a,2024-12-24,10:00,14:00",
        "a,2024-12-24,16:00,18:00",
        "a,2024-12-25,,",
        "b,2024-12-25,9:00 AM,24:00",
    ]
    assert counts(load(database_url, file, first)) == (4, 0, 0, 0)
    both = ("a", "2024-12-24", [36000, 50400, 57600, 64800])
    assert held(database_url, "special") == [both, ("a", "2024-12-25", []), ("b", "2024-12-25", [32400, 0])]

    again = load(database_url, tmp_path / "again.csv", [*first, ""], chunk_bytes=40)
    assert counts(again) == (0, 4, 0, 0)
    changed = [SPECIAL, "a,2024-12-25,08:00,09:00", "b,2024-12-25,09:00,00:00", "c,2025-01-01,,"]
    assert counts(load(database_url, file, changed)) == (1, 1, 1, 0)
    assert held(database_url, "special")[:2] == [both, ("a", "2024-12-25", [28800, 32400])]
    assert len(held(database_url, "special", ever=True)) == 5
    assert one(database_url, "select count(*) from special_hours where until_seq <= since_seq") == 0


def test_the_same_bytes_are_left_alone_until_another_file_of_their_kind(
    database_url: str, tmp_path: Path
) -> None:
    rows = [SPECIAL, "a,2024-12-25,,"]
    first = load(database_url, tmp_path / "special.csv", rows)
    assert load(database_url, tmp_path / "special.csv", rows).same_as == first.id
    assert counts(load(database_url, tmp_path / "other.csv", [SPECIAL, "a,2024-12-25,08:00,09:00"])) == (
        0,
        0,
        1,
        0,
    )
    assert counts(load(database_url, tmp_path / "special.csv", rows)) == (0, 0, 1, 0)


def test_a_store_with_a_rejected_row_keeps_what_it_had(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "before.csv", [SPECIAL, "a,2024-12-24,10:00,14:00"])
    bad = [
        ("a,2024-13-01,,", "date"),
        ("b,2024-2-1,,", "date"),
        ("c,1999-12-31,,", "date"),
        ("d,2024-12-25,10:00,", "one_time"),
        ("e,2024-12-25,10:00,25:00", "time"),
        (",2024-12-25,,", "no_id"),
        ("f,2024-12-25,,", "closed_and_open"),
        ("f,2024-12-25,10:00,11:00", "closed_and_open"),
    ]
    others = [f"{store},2025-06-01,," for store in "abcdefg"]
    result = load(database_url, tmp_path / "special.csv", [SPECIAL, *(row for row, _ in bad), *others])
    assert counts(result) == (1, 0, 0, len(bad) + 6)
    assert held(database_url, "special") == [("a", "2024-12-24", [36000, 50400]), ("g", "2025-06-01", [])]
    with psycopg.connect(database_url) as conn:
        reasons = conn.execute("select reason from import_reject order by line").fetchall()
    assert [reason for (reason,) in reasons] == [reason for _, reason in bad] + ["store_incomplete"] * 6


def test_files_of_special_hours_add_up_in_a_delivery(database_url: str, tmp_path: Path) -> None:
    for name, times in (("1", "08:00,09:00"), ("2", "10:00,11:00")):
        (tmp_path / f"{name}.csv").write_text(f"{SPECIAL}\na,2024-12-25,{times}\n")
    results = ingest_paths(database_url, [str(tmp_path)])
    assert [counts(result) for result in results] == [(1, 0, 0, 0)] * 2
    assert held(database_url, "special") == [("a", "2024-12-25", [28800, 32400, 36000, 39600])]
    (tmp_path / "2.csv").write_text(f"{SPECIAL}\na,2024-12-25,,\n")
    assert [result.rejected for result in ingest_paths(database_url, [str(tmp_path)])] == [1, 1]
    assert len(held(database_url, "special", ever=True)) == 1


def test_lifetimes_are_replaced(database_url: str, tmp_path: Path) -> None:
    rows = [
        LIFETIMES,
        "a,2024-05-01T10:00-05:00,",
        "b,,2024-06-01 00:00 UTC",
        "b,,2024-07-01 00:00 UTC",
        "c,,",
    ]
    assert counts(load(database_url, tmp_path / "lifetimes.csv", rows)) == (4, 0, 0, 0)
    assert held(database_url, "lifetimes") == [
        ("a", "2024-05-01 15:00:00+00", None),
        ("b", None, "2024-07-01 00:00:00+00"),
        ("c", None, None),
    ]
    bad = [
        "a,yesterday,",
        "b,,2024-06-01 00:00",
        "c,2024-06-01Z,2024-06-01T00:00Z",
        "d,2024-06-01T00:00Z,2024-06-01T00:00Z",
    ]
    result = load(database_url, tmp_path / "bad.csv", [LIFETIMES, *bad])
    assert [reject.reason for reject in result.first_rejects] == [
        "opened_at",
        "closed_at",
        "opened_at",
        "lifetime_order",
    ]
    assert len(held(database_url, "lifetimes", ever=True)) == 3


def test_closures_are_of_a_store_or_of_all(database_url: str, tmp_path: Path) -> None:
    rows = [
        CLOSURES,
        "a,2024-10-18T21:00Z,2024-10-18T23:30Z,exclude,force_majeure,street closed",
        "*,2024-10-20T00:00Z,,AS_UP,,",
        "a,2024-10-20T00:00Z,,ignore,a word of ours,",
    ]
    assert counts(load(database_url, tmp_path / "closures.csv", rows)) == (3, 0, 0, 0)
    assert held(database_url, "closures") == [
        ("*", "2024-10-20 00:00:00+00", None, "as_up", "other", ""),
        (
            "a",
            "2024-10-18 21:00:00+00",
            "2024-10-18 23:30:00+00",
            "exclude",
            "force_majeure",
            "street closed",
        ),
        ("a", "2024-10-20 00:00:00+00", None, "ignore", "a word of ours", ""),
    ]
    first_id = one(database_url, "select id from closure where store_key = 0")
    changed = [CLOSURES, rows[1], "*,2024-10-20T00:00Z,2024-10-21T00:00Z,as_up,,"]
    assert counts(load(database_url, tmp_path / "changed.csv", changed)) == (0, 1, 1, 0)
    assert one(database_url, "select id from closure where store_key = 0 and until_seq is null") == first_id
    assert one(database_url, "select count(*) from store") == 1, "* is not a store"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2024-10-18T21:00Z,,exclude,,", "no_id"),
        ("a,,,exclude,,", "starts_at"),
        ("a,2024-10-18T21:00,,exclude,,", "starts_at"),
        ("a,2024-10-18T21:00Z,later,exclude,,", "ends_at"),
        ("a,2024-10-18T21:00Z,2024-10-18T21:00Z,exclude,,", "closure_order"),
        ("a,2024-10-18T21:00Z,,closed,,", "treatment"),
        (f"a,2024-10-18T21:00Z,,exclude,{'x' * 101},", "reason"),
        (f"a,2024-10-18T21:00Z,,exclude,,{'x' * 2001}", "note"),
    ],
)
def test_a_wrong_closure_is_rejected(database_url: str, tmp_path: Path, row: str, reason: str) -> None:
    result = load(database_url, tmp_path / "closures.csv", [CLOSURES, row, "b,2024-10-18T21:00Z,,ignore,,"])
    assert counts(result) == (1, 0, 0, 1)
    assert result.first_rejects[0].reason == reason


def test_hours_apply_from_the_date_of_their_row(database_url: str, tmp_path: Path) -> None:
    rows = [
        DATED,
        "a,Mon,09:00,17:00,",
        "a,Mon,10:00,18:00,2025-03-01",
        "a,Tue,10:00,18:00,2025-03-01",
        "b,Mon,09:00,17:00,2025-01-01",
    ]
    assert counts(load(database_url, tmp_path / "hours.csv", rows)) == (4, 0, 0, 0)
    assert one(database_url, "select count(*) from business_hours") == 1
    march = ("a", "2025-03-01", [0, 36000, 64800, 1, 36000, 64800])
    assert held(database_url, "dated") == [march, ("b", "2025-01-01", [0, 32400, 61200])]

    undated = load(database_url, tmp_path / "undated.csv", [HOURS, "a,Mon,11:00,12:00"])
    assert counts(undated) == (1, 0, 0, 0)
    assert held(database_url, "dated")[0] == march, "hours without a date replace only those without a date"
    changed = load(database_url, tmp_path / "changed.csv", [DATED, "a,Mon,10:00,18:00,2025-03-01"])
    assert counts(changed) == (0, 0, 1, 0)
    refused = load(
        database_url, tmp_path / "bad.csv", [DATED, "a,Mon,10:00,18:00,2025-03-32", "a,Tue,10:00,18:00,"]
    )
    assert [reject.reason for reject in refused.first_rejects] == ["effective_from", "store_incomplete"]


def test_days_numbered_from_one_mean_the_same_in_dated_hours(database_url: str, tmp_path: Path) -> None:
    load(
        database_url,
        tmp_path / "hours.csv",
        [DATED, "a,1,09:00,17:00,2025-01-01", "a,7,09:00,17:00,2025-01-01"],
    )
    assert held(database_url, "dated") == [("a", "2025-01-01", [0, 32400, 61200, 6, 32400, 61200])]


def test_a_date_may_be_given_for_a_whole_file(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    file.write_text(f"{HOURS}\na,Mon,09:00,17:00\n")
    for arguments, accepted in (
        ((), 1),
        (("--effective-from", "2025-03-01"), 1),
        (("--effective-from", "2025-03-01"), 0),
    ):
        done = run_ingest(database_url, str(file), *arguments)
        assert done.returncode == 0, done.stderr
        assert one(database_url, "select accepted from import order by id desc limit 1") == accepted
    assert one(database_url, "select count(*) from business_hours") == 1
    assert held(database_url, "dated") == [("a", "2025-03-01", [0, 32400, 61200])]
    wrong = run_ingest(database_url, str(file), "--effective-from", "March")
    assert wrong.returncode == 2
    assert b"2024-12-25" in wrong.stderr
    check_ledger(database_url)


def test_each_change_is_recorded_with_what_it_can_touch(database_url: str, tmp_path: Path) -> None:
    closure = load(
        database_url, tmp_path / "1.csv", [CLOSURES, "a,2024-10-18T21:00Z,2024-10-18T23:30Z,exclude,,"]
    )
    load(database_url, tmp_path / "2.csv", [CLOSURES, "a,2024-10-18T21:00Z,,exclude,,"])
    load(database_url, tmp_path / "3.csv", [SPECIAL, "a,2024-12-25,,"])
    load(database_url, tmp_path / "4.csv", [LIFETIMES, "a,,2024-12-25T00:00Z"])
    with psycopg.connect(database_url, options="-c timezone=UTC") as conn:
        touched = conn.execute(
            "select min_at::text, max_at::text from adjustment_change join early_number using (seq)"
            " join import_chunk on commit_seq = effective_seq order by seq"
        ).fetchall()
        audited = conn.execute("select actor, action, subject, details from audit order by id").fetchall()
    assert touched == [
        ("2024-10-18 21:00:00+00", "2024-10-18 23:30:00+00"),
        ("2024-10-18 21:00:00+00", None),
        ("2024-12-24 00:00:00+00", "2024-12-28 00:00:00+00"),
        (None, None),
    ]
    said = {"tables": ["closure"], "kind": "closures", "source": str(tmp_path / "1.csv"), "store_id": "a"}
    assert audited[0] == ("command", "hours.adjusted", str(closure.id), said)
    assert one(database_url, "select adjusted_seq = data_cut and latest_observed_at is null from ledger_head")


def test_an_interrupted_file_resumes(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "special.csv"
    days = [f"store-{n},2024-12-{day:02},," for n in range(50) for day in range(1, 29)]
    file.write_text("\n".join([SPECIAL, *days]) + "\n")

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_paths(
            database_url, [str(file)], options=LoadOptions(limits=Limits(chunk_bytes=2000), on_progress=stop)
        )
    assert held(database_url, "special") == []
    (result,) = ingest_paths(database_url, [str(file)])
    assert result.resumed_at_byte > 0
    assert counts(result) == (len(days), 0, 0, 0)
