"""The watcher as a process: loads every complete file once, even across restarts and outages, and stops on a signal."""

import gzip
import json
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from types_boto3_s3 import S3Client

from tests.fixtures.local_stack import eventually
from tests.fixtures.warm_start import Process
from tests.integration.ingest.command import run_ingest, start_ingest

HEADER = "store_id,status,timestamp_utc\n"
_ROWS = 100_000
_SMALL_CHUNKS = {"UPTILL_CHUNK_BYTES": "16384"}  # 270 commits: the load is not done before it is ended
ROW = "{store},active,2024-10-14 12:00:00 UTC\n"


class Watching:
    """Start `uptill ingest --watch`."""

    def __init__(self, process: Process, output: Path) -> None:
        self._process = process
        self._output = output

    def events(self, name: str) -> list[dict[str, object]]:
        """Its log lines with this event."""
        lines = self._output.read_text().split("\n")[:-1]
        return [line for line in map(json.loads, lines) if line["event"] == name]

    def imported(self) -> list[str]:
        """The names of what it loaded or refused."""
        return [Path(str(line["source"])).name for line in self.events("imported")]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self._process.send_signal(number)
        return self._process.wait(60)


@contextmanager
def watching(
    database_url: str, path: str, output: Path, env: Mapping[str, str] | None = None
) -> Iterator[Watching]:
    process = start_ingest(database_url, "--watch", path, env=env, output=output)
    watcher = Watching(process, output)
    try:
        eventually(lambda: process.poll() is not None or bool(watcher.events("watching")))
        assert process.poll() is None, output.read_text()
        yield watcher
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_new_files_are_loaded_once_also_after_a_restart(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "one.csv").write_text(HEADER + ROW.format(store="one"))
    with watching(database_url, str(folder), tmp_path / "first.log") as watcher:
        eventually(lambda: watcher.imported() == ["one.csv"])
        (folder / "two.csv.gz").write_bytes(gzip.compress((HEADER + ROW.format(store="two")).encode()))
        (folder / "bad.csv").write_text("shop\n")
        eventually(lambda: sorted(watcher.imported()) == ["bad.csv", "one.csv", "two.csv.gz"])
        assert watcher.end() == 0
        assert watcher.events("stopped")
    (folder / "three.csv").write_text(HEADER + ROW.format(store="three"))
    (folder / "bad.csv").write_text(HEADER + ROW.format(store="mended"))
    with watching(database_url, str(folder), tmp_path / "second.log") as watcher:
        eventually(lambda: sorted(watcher.imported()) == ["bad.csv", "three.csv"])
        assert watcher.end(signal.SIGINT) == 0
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from import where state = 'succeeded'").fetchone() == (4,)
        assert conn.execute("select count(*) from observation").fetchone() == (4,)


def test_a_file_that_is_being_written_is_left_alone(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with (
        watching(database_url, str(folder), tmp_path / "log") as watcher,
        (folder / "slow.csv").open("w") as slow,
    ):
        (folder / "quick.csv").write_text(HEADER + ROW.format(store="quick"))
        slow.write(HEADER)
        rows = 0
        while not watcher.imported():
            slow.write(ROW.format(store=f"slow-{rows}"))
            slow.flush()
            rows += 1
            time.sleep(0.02)
        assert watcher.imported() == ["quick.csv"]
        slow.close()
        eventually(lambda: watcher.imported() == ["quick.csv", "slow.csv"])
        assert watcher.events("imported")[1]["rows_read"] == rows
        assert watcher.end() == 0


def test_objects_and_an_outage_of_the_store(
    env: dict[str, str], s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    database_url = env["UPTILL_DATABASE_URL"]
    with watching(database_url, f"s3://{bucket}/in/", tmp_path / "log", env) as watcher:
        s3.put_object(Bucket=bucket, Key="in/one.csv", Body=(HEADER + ROW.format(store="one")).encode())
        eventually(lambda: watcher.imported() == ["one.csv"])
        s3.delete_object(Bucket=bucket, Key="in/one.csv")
        s3.delete_bucket(Bucket=bucket)
        eventually(lambda: bool(watcher.events("waiting")))
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="in/two.csv", Body=(HEADER + ROW.format(store="two")).encode())
        eventually(lambda: watcher.imported() == ["one.csv", "two.csv"])
        assert watcher.end() == 0


def test_new_objects_are_loaded_once_also_after_a_restart(
    env: dict[str, str], s3: S3Client, bucket: str, tmp_path: Path
) -> None:
    database_url, prefix = env["UPTILL_DATABASE_URL"], f"s3://{bucket}/in/"

    def put(name: str, text: str) -> None:
        s3.put_object(Bucket=bucket, Key=f"in/{name}", Body=text.encode())

    put("one.csv", HEADER + ROW.format(store="one"))
    put("bad.csv", "shop\n")
    with watching(database_url, prefix, tmp_path / "first.log", env) as watcher:
        eventually(lambda: sorted(watcher.imported()) == ["bad.csv", "one.csv"])
        put("two.csv", HEADER + ROW.format(store="two"))
        eventually(lambda: sorted(watcher.imported()) == ["bad.csv", "one.csv", "two.csv"])
        assert watcher.end() == 0
    put("three.csv", HEADER + ROW.format(store="three"))
    put("bad.csv", HEADER + ROW.format(store="mended"))
    put("two.csv", HEADER + ROW.format(store="two again"))
    with watching(database_url, prefix, tmp_path / "second.log", env) as watcher:
        eventually(lambda: sorted(watcher.imported()) == ["bad.csv", "three.csv", "two.csv"])
        assert watcher.end() == 0
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from import where state = 'succeeded'").fetchone() == (5,)
        assert conn.execute("select count(*) from observation").fetchone() == (5,)


def test_a_load_stops_after_a_chunk_and_resumes_later(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with (folder / "big.csv").open("w") as big:
        big.write(HEADER)
        big.writelines(
            f"store-{row % 97},active,2024-09-{1 + row % 28:02} {row // 28 % 24:02}:{row // 672 % 60:02}:"
            f"{row // 40_320 % 60:02}.{row:06} UTC\n"
            for row in range(_ROWS)
        )
    with (
        watching(database_url, str(folder), tmp_path / "first.log", _SMALL_CHUNKS) as watcher,
        psycopg.connect(database_url, autocommit=True) as conn,
    ):
        eventually(lambda: conn.execute("select from import_chunk").rowcount > 0)
        assert watcher.end() == 0
        assert watcher.imported() == []
        ((accepted, state),) = conn.execute("select accepted, state from import").fetchall()
        assert 0 < accepted < _ROWS
        assert state == "failed"
    with watching(database_url, str(folder), tmp_path / "second.log") as watcher:
        eventually(lambda: watcher.imported() == ["big.csv"])
        assert watcher.events("imported")[0]["accepted"] == _ROWS
        assert watcher.end() == 0
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*), sum(accepted) from import").fetchall() == [(1, _ROWS)]


@pytest.mark.parametrize("paths", [["a.csv"], ["-"], [".", "."], ["s3://bucket/key.csv"]])
def test_only_one_folder_or_prefix_is_watched(database_url: str, paths: list[str]) -> None:
    assert run_ingest(database_url, "--watch", *paths).returncode == 2
