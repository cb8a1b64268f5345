"""Of an import's rejected rows the first are listed, and all are counted by reason, whatever rejects them."""

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from services.ingest.run import Limits, LoadOptions, ingest_paths, plan_paths
from services.ingest.write import rejects
from shared.reject_advice import describe_listed
from tests.integration.ingest.database import POLLS_HEADER
from tests.integration.ingest.ledger_tables import HOURS, TINY, bad, good
from tests.integration.ingest.service import ended, ingest_service
from tests.integration.ingest.test_archive_imports import write_zip

MOST = 10


@pytest.fixture(autouse=True)
def most_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "MOST_LISTED", MOST)


def listed(database_url: str, import_id: UUID | None) -> list[tuple[int, str]]:
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            "select line, reason from import_reject where import_id = %s order by line", [import_id]
        )
        return rows.fetchall()


def load_any(database_url: str, file: Path, rows: Sequence[str], chunk_bytes: int = 4 << 20) -> UUID | None:
    """Load a file that may be all bad, and check that its counts agree with its quality report."""
    file.write_text("\n".join(rows) + "\n")
    limits = Limits(chunk_bytes=chunk_bytes, reject_limit=1.0)
    (result,) = ingest_paths(database_url, [str(file)], options=LoadOptions(limits))
    report: Mapping[str, Any] = result.quality or {}
    assert sum(report["rejects"].values()) == result.rejected
    found = listed(database_url, result.id)
    assert len(found) + sum(report.get("rejects_unlisted", {}).values()) == result.rejected
    return result.id


def test_the_first_rows_of_all_chunks_are_listed(database_url: str, tmp_path: Path) -> None:
    rows = [POLLS_HEADER, *(row for n in range(20) for row in (good(n), bad(n))), "x,y", "x,y"]
    found = load_any(database_url, tmp_path / "polls.csv", rows, TINY)
    assert listed(database_url, found) == [(2 * n + 3, "status") for n in range(MOST)]
    with psycopg.connect(database_url) as conn:
        ((report,),) = conn.execute("select quality from import")
    assert report["rejects"] == {"status": 20, "columns": 2}
    assert report["rejects_unlisted"] == {"status": 10, "columns": 2}
    assert describe_listed(22, report) == "the first 10 of 22 rejected rows are listed"


def test_as_many_as_can_be_are_all_listed(database_url: str, tmp_path: Path) -> None:
    found = load_any(database_url, tmp_path / "polls.csv", [POLLS_HEADER, *map(bad, range(MOST))])
    assert len(listed(database_url, found)) == MOST
    with psycopg.connect(database_url) as conn:
        ((report,),) = conn.execute("select quality from import")
    assert "rejects_unlisted" not in report
    assert not describe_listed(MOST, report)


def test_a_refused_chunk_is_listed_in_part(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "polls.csv.gz"
    file.write_bytes(gzip.compress(POLLS_HEADER.encode() + b"\n" + b" \n" * 3000))
    (result,) = ingest_paths(database_url, [str(file)], options=LoadOptions(Limits()))
    (dry,) = plan_paths(database_url, [str(file)])
    for one in (result, dry):
        assert (one.state, one.rejected) == ("failed", 3000)
        assert (one.quality or {})["rejects"] == {"columns": 3000}
    assert len(listed(database_url, result.id)) == MOST


def test_rows_that_an_earlier_one_holds_back_are_listed_in_part(database_url: str, tmp_path: Path) -> None:
    whole = [f"shop,{day},{hour:02}:00,{hour + 1:02}:00" for day in range(7) for hour in range(0, 20, 2)]
    load_any(database_url, tmp_path / "hours.csv", [HOURS, *whole, "shop,9,10:00,12:00"])
    dates = [f"shop,2024-12-{day:02},10:00,12:00" for day in range(1, 31)]
    header = "store_id,date,start_time_local,end_time_local"
    load_any(database_url, tmp_path / "dates.csv", [header, *dates, "shop,2024-12-31,x,y"])
    load_any(
        database_url,
        tmp_path / "both.csv",
        [header, *dates, *(f"shop,2024-12-{d:02},," for d in range(1, 31))],
    )
    directory = ["store_id,name", *(f"shop,name {n}" for n in range(30))]
    load_any(database_url, tmp_path / "stores.csv", directory)
    order = [f"s{n},2024-12-02T00:00:00Z,2024-12-01T00:00:00Z" for n in range(30)]
    load_any(database_url, tmp_path / "lives.csv", ["store_id,opened_at,closed_at", *order])
    with psycopg.connect(database_url) as conn:
        counted = conn.execute("select count(*) from import_reject group by import_id").fetchall()
        assert counted == [(MOST,)] * 5


def test_a_row_that_is_not_listed_may_be_read_later(database_url: str, tmp_path: Path) -> None:
    row = "s{},active,2024-09-02 00:00:00 UTC,flood"
    rows = [f"{POLLS_HEADER},reason", *(row.format(n) for n in range(MOST + 1))]
    rows[1:1] = ["x,y"] * MOST
    file = tmp_path / "polls.csv"
    first = load_any(database_url, file, rows)
    assert {reason for _, reason in listed(database_url, first)} == {"columns"}
    (again,) = ingest_paths(database_url, [str(file)], options=LoadOptions(Limits(reject_limit=1.0)))
    assert again.accepted == 0
    with psycopg.connect(database_url) as conn:
        conn.execute("insert into reason (word) values ('flood')")
    (later,) = ingest_paths(database_url, [str(file)], options=LoadOptions(Limits(reject_limit=1.0)))
    assert later.accepted == MOST + 1


def test_the_files_of_an_archive_share_what_is_listed(database_url: str, tmp_path: Path) -> None:
    rows = "\n".join([POLLS_HEADER, *(row for n in range(20) for row in (good(n), bad(n)))]).encode()
    body = write_zip(tmp_path / "set.zip", {"a.csv": rows, "b.csv": rows.replace(b"store-", b"shop-")})
    with ingest_service(database_url, tmp_path / "spool") as service:
        archive = ended(service, service.post("/v1/imports?name=set.zip", content=body))
        shown = service.get(f"/v1/imports/{archive['id']}/rejects").text.splitlines()
    assert archive["counts"]["rejected"] == 40
    assert archive["quality"]["rejects"] == {"status": 40}
    assert archive["quality"]["rejects_unlisted"] == {"status": 30}
    assert len(shown) == 1 + MOST
