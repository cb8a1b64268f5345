"""A date format that the file contradicts: nothing of the file is stored, or the message says which rows were."""

from datetime import date, timedelta
from pathlib import Path

from services.ingest.parse.reading import Reading
from services.ingest.run import Limits, LoadOptions, ingest_paths, plan_paths
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.database import POLLS_HEADER, observations
from tests.integration.ingest.ledger_tables import TINY, error_of
from tests.integration.ingest.service import ended, ingest_service

US, EUROPEAN = "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"
STORES = 20
DAYS = 21


def write(file: Path, *orders: str) -> Path:
    """Write polls of three weeks, in many chunks, once for each order of day and month. The first twelve days could be months."""
    days = [date(2024, 10, 1) + timedelta(day) for day in range(DAYS)]
    rows = [
        f"s{place}-{store},active,{day:{order}}"
        for place, order in enumerate(orders)
        for day in days
        for store in range(STORES)
    ]
    file.write_text("\n".join([POLLS_HEADER, *rows]) + "\n")
    return file


def options(date_format: str) -> LoadOptions:
    return LoadOptions(Limits(chunk_bytes=TINY), Reading.parse(date_format=date_format))


def test_nothing_is_stored_before_the_order_is_known(database_url: str, tmp_path: Path) -> None:
    file = str(write(tmp_path / "polls.csv", EUROPEAN))
    (planned,) = plan_paths(database_url, [file], options=options(US))
    (loaded,) = ingest_paths(database_url, [file], options=options(US))
    for one in (planned, loaded):
        assert (one.state, one.reason, one.accepted) == ("failed", "date_order", 0)
        assert {reject.reason for reject in one.first_rejects} == {"date_format"}
    assert planned.error == loaded.error
    assert f"--date-format '{EUROPEAN}'" in (loaded.error or "")
    assert observations(database_url) == {}
    (right,) = ingest_paths(database_url, [file], options=options(EUROPEAN))
    assert (right.state, right.accepted) == ("succeeded", DAYS * STORES)


def test_an_upload_is_refused_likewise(database_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "polls.csv", EUROPEAN)
    with ingest_service(database_url, tmp_path / "spool") as client:
        answer = client.post("/v1/imports", content=file.read_bytes(), params={"date_format": US})
        told = ended(client, answer)
    assert (told["state"], told["error"]["reason"]) == ("failed", "date_order")
    assert observations(database_url) == {}


def test_files_of_two_orders_that_were_joined_stop_where_the_second_shows(
    database_url: str, tmp_path: Path
) -> None:
    file = str(write(tmp_path / "polls.csv", US, EUROPEAN))
    (loaded,) = ingest_paths(database_url, [file], options=options(US))
    assert (loaded.state, loaded.reason) == ("stopped", "date_order")
    assert DAYS * STORES <= loaded.accepted < 2 * DAYS * STORES
    message = str(error_of(database_url, loaded)["message"])
    assert f"The rows up to line {loaded.accepted + 1:,} are stored" in message
    assert "cannot be taken back: see docs/how-to/retention.md" in message


def test_a_stream_is_refused_before_its_chunk_is_stored(database_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "polls.csv", EUROPEAN)
    done = run_ingest(database_url, "-", "--date-format", US, stdin=file.read_bytes())
    assert done.returncode == 1
    assert f"--date-format '{EUROPEAN}'" in done.stderr.decode()
    assert observations(database_url) == {}
