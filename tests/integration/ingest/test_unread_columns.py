"""Columns that are not read are named, however a file arrives."""

import pytest

from services.ingest.show import describe_quality
from tests.integration.ingest.conftest import LoadFile
from tests.integration.ingest.deliveries import Deliver, table, week


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("store_id,status,timestamp_utc,channel", "a,active,2024-10-14T09:00:00Z,web"),
        ("store_id,timezone_str,city", "a,Europe/Paris,Paris"),
        ("store_id,opened_at,closed_at,evnt", "a,2024-10-14T09:00:00Z,,x"),
    ],
)
def test_a_file_with_other_columns(load_file: LoadFile, header: str, row: str) -> None:
    loaded = load_file(f"{header}\n{row}\n".encode())
    assert (loaded.row["accepted"], loaded.state) == (1, "succeeded")
    assert loaded.quality["columns_not_read"] == [header.rpartition(",")[2]]


def test_each_file_of_a_delivery_names_its_own(deliver: Deliver) -> None:
    header = "store_id,day_of_week,start_time_local,end_time_local"
    files = {
        "a.csv": table(*week("a", 0, closes="21:00,x"), header=f"{header},remark"),
        "b.csv": table(*week("b", 0)),
    }
    _, warnings = deliver(files)
    (found,) = [warning for warning in warnings if "not read" in warning]
    assert found.endswith("columns that are not read: 'remark'")


def test_a_directory_names_the_columns_that_became_labels(load_file: LoadFile) -> None:
    loaded = load_file(b"store_id,name,region,holiday\na,A,north,x\n")
    assert loaded.quality["labels"] == ["region", "holiday"]
    assert dict(describe_quality([loaded.quality]))["labels"].startswith("region, holiday (")
