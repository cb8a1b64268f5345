"""Cells that were merged in a spreadsheet: only the first row of a store has its id."""

from pathlib import Path

from services.ingest.run import ingest_paths, plan_paths
from tests.integration.ingest.deliveries import Deliver, days, table, week


def test_a_store_does_not_lose_the_rows_without_its_id(deliver: Deliver, database_url: str) -> None:
    deliver({"before.csv": table(*week("merged", *range(7)))})
    others = [row for store in ("a", "b", "c") for row in week(store, *range(7))]
    merged = [*week("merged", 0), *week("", *range(1, 7))]
    _, warnings = deliver({"hours.csv": table(*others, *merged)})
    assert days(database_url, "merged") == list(range(7))
    assert days(database_url, "c") == list(range(7))
    assert any(
        "store merged keeps the hours it had: line 24 has no store id, and may be a row of 'merged'"
        in warning
        for warning in warnings
    )


def test_a_dry_run_says_the_same(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "zones.csv"
    file.write_text(table("a,UTC", ",Europe/Berlin", "b,UTC", header="store_id,timezone_str"))
    (planned,) = plan_paths(database_url, [str(file)])
    (loaded,) = ingest_paths(database_url, [str(file)])
    for one in (planned, loaded):
        assert (one.accepted, one.rejected) == (1, 2)
        assert [reject.reason for reject in one.first_rejects] == ["no_id", "store_incomplete"]
