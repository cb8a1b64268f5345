"""A source is opened once to see what it holds, and once to load it; only the start is read twice."""

import gzip
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from services.ingest.run import ingest_paths

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEAD_BYTES = 64 << 10
POLLS = b"store_id,status,timestamp_utc\n" + b"".join(
    b"%d,active,2024-10-14 %02d:%02d:00 UTC\n" % (n, n % 24, n % 60) for n in range(60_000)
)
HOURS = b"store_id,day,start_time_local,end_time_local\na,0,09:00,17:00\n"
ZONES = b"store_id,timezone_str\na,America/Chicago"


class Reads:
    """Files opened as sources, and the bytes read from them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opens = self.bytes = 0
        reads = self

        class CountedFile(io.FileIO):
            def __init__(self, file: int) -> None:
                super().__init__(file)
                reads.opens += 1

            def read(self, size: int | None = -1, /) -> bytes:
                data = super().read(size) or b""
                reads.bytes += len(data)
                return data

            def readinto(self, buffer: "WriteableBuffer", /) -> int:
                count = super().readinto(buffer)
                reads.bytes += count
                return count

        monkeypatch.setattr(io, "FileIO", CountedFile)


@pytest.mark.parametrize("name", ["polls.csv", "polls.csv.gz"])
def test_a_file_is_opened_twice_and_its_start_read_twice(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    content = gzip.compress(POLLS) if name.endswith(".gz") else POLLS
    (tmp_path / name).write_bytes(content)
    reads = Reads(monkeypatch)
    (result,) = ingest_paths(database_url, [str(tmp_path / name)])
    assert result.accepted == 60_000
    assert (reads.opens, reads.bytes) == (2, len(content) + min(len(content), HEAD_BYTES))


def test_a_zip_is_opened_once_to_list_it_once_to_hash_it_and_once_each_time_that_a_member_is_read(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in {"polls.csv": POLLS, "hours.csv": HOURS, "zones.csv": ZONES}.items():
            archive.writestr(member, content)
    reads = Reads(monkeypatch)
    results = ingest_paths(database_url, [str(tmp_path / "set.zip")])
    assert [result.kind for result in results] == ["timezones", "hours", "polls"]
    # Hours and zones are read when they are staged, and again when the delivery is complete.
    assert reads.opens == 1 + 1 + 1 + 2 * 2
