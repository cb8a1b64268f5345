"""When rejected rows stop an import, and what is kept of it."""

from pathlib import Path

import psycopg
import pytest

from services.ingest.run import (
    Limits,
    LoadOptions,
    ingest_paths,
    plan_paths,
)
from services.ingest.show import describe_quality
from tests.integration.ingest.database import POLLS_HEADER, check_ledger, counts, load, observations
from tests.integration.ingest.ledger_tables import HOURS, TINY, bad, error_of, good, tables


def test_a_file_whose_first_chunk_is_bad_leaves_only_its_rejected_rows(
    database_url: str, tmp_path: Path
) -> None:
    rows = [POLLS_HEADER, good(1), bad(2), "x,y", *map(bad, range(50))]
    result = load(database_url, tmp_path / "polls.csv", rows)
    assert result.state == "failed"
    assert counts(result) == (0, 0, 0, 52)
    assert tables(database_url) == (0, 0, 0, 0, 52, 0, 0)
    (dry,) = plan_paths(database_url, [str(tmp_path / "polls.csv")])
    assert (dry.state, counts(dry)) == ("failed", counts(result))
    assert dry.first_rejects == result.first_rejects
    error = error_of(database_url, result)
    assert error["reason"] == "reject_threshold"
    assert error["rejects"] == {"status": 51, "columns": 1}
    assert "Line 3: the status is neither active nor inactive" in str(error["message"])
    assert [reject.line for reject in result.first_rejects] == [3, 4, 5, 6, 7]


def test_reasons_have_the_same_order_everywhere(database_url: str, tmp_path: Path) -> None:
    result = load(database_url, tmp_path / "polls.csv", [POLLS_HEADER, bad(1), "x,y"])
    (dry,) = plan_paths(database_url, [str(tmp_path / "polls.csv")])
    for one in (result, dry):
        rejected = dict(describe_quality([one.quality or {}]))["rejected"]
        assert rejected == "1 columns, 1 status"
        assert f"({rejected})" in str(one.error)


def test_an_import_stops_at_the_first_bad_chunk(database_url: str, tmp_path: Path) -> None:
    rows = [POLLS_HEADER, *map(good, range(30)), bad(1), *map(good, range(30, 60)), *map(bad, range(30))]
    rows += map(good, range(100, 200))
    result = load(database_url, tmp_path / "polls.csv", rows, chunk_bytes=TINY)
    assert result.state == "stopped"
    assert result.error is not None
    assert "UPTILL_REJECT_LIMIT" in result.error
    assert 50 <= result.accepted <= 60
    assert 1 < result.rejected == tables(database_url)[4]
    assert len(observations(database_url)) == result.accepted
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select max(length(store_id)) from store").fetchone() == (len("store-59"),)

    (again,) = ingest_paths(
        database_url,
        [str(tmp_path / "polls.csv")],
        options=LoadOptions(limits=Limits(chunk_bytes=TINY, reject_limit=1.0)),
    )
    assert (again.state, again.same_as, again.resumed_at_byte) == ("succeeded", None, 0)
    assert counts(again) == (160 - result.accepted, result.accepted, 0, 31)
    check_ledger(database_url)


@pytest.mark.parametrize(("bad_rows", "state"), [(2, "succeeded"), (3, "failed")])
def test_the_limit_itself_is_allowed(database_url: str, tmp_path: Path, bad_rows: int, state: str) -> None:
    rows = [POLLS_HEADER, good(1), good(2), *map(bad, range(bad_rows))]
    assert load(database_url, tmp_path / "polls.csv", rows).state == state


def test_bad_hours_change_nothing(database_url: str, tmp_path: Path) -> None:
    rows = [
        HOURS,
        *(f"store-{n},1,09:00,10:00" for n in range(50)),
        *(f"store-{n},8,09:00,10:00" for n in range(50)),
    ]
    result = load(database_url, tmp_path / "hours.csv", rows, chunk_bytes=TINY)
    assert result.state == "failed"
    stores, _, hours, *_, staged, _ = tables(database_url)
    assert (stores, hours, staged) == (0, 0, 0)
