"""Files whose outcome depends on a limit, on what was loaded before, or on what happens while they are read."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.integration.ingest.catalogue_files import AT, HOURS, POLLS, ROW, ZONES, polls
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.service import ended, ingest_service

Load = Callable[..., dict[str, Any]]


def one_by_command(
    database_url: str, folder: Path, content: bytes, reject_limit: float = 0.5
) -> dict[str, Any]:
    """Load a file with this content by the command, and return its import."""
    file = folder / "one.csv"
    file.write_bytes(content)
    run_ingest(database_url, str(file), "--reject-limit", str(reject_limit))
    with psycopg.connect(database_url, row_factory=dict_row) as conn:
        found: dict[str, Any] = conn.execute("select * from import order by started_at desc").fetchall()[0]
    return found


def one_by_http(database_url: str, folder: Path, content: bytes, reject_limit: float = 0.5) -> dict[str, Any]:
    """Upload this content, and return its import."""
    with ingest_service(database_url, folder / "spool", reject_limit=reject_limit) as service:
        shown = ended(service, service.post("/v1/imports", content=content))
    return {**shown, **shown["counts"]}


by_both = pytest.mark.parametrize("load", [one_by_command, one_by_http], ids=["command", "http"])


@by_both
def test_a_newline_in_quotes_rejects_only_its_lines(load: Load, database_url: str, tmp_path: Path) -> None:
    content = b"\n".join([POLLS, b'"a', b'b",active,' + AT, ROW, ROW.replace(b"g", b"h"), b""])
    found = load(database_url, tmp_path, content)
    assert (found["state"], found["accepted"], found["rejected"]) == ("succeeded", 2, 2)
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select line, reason from import_reject order by line").fetchall() == [
            (2, "quoting"),
            (3, "quoting"),
        ]


@by_both
def test_the_limit_is_a_setting(load: Load, database_url: str, tmp_path: Path) -> None:
    content = POLLS + b"\n" + ROW + b"\n" + b"a,open,x\n" * 9
    refused = load(database_url, tmp_path, content)
    assert (refused["state"], refused["error"]["reason"]) == ("failed", "reject_threshold")
    taken = load(database_url, tmp_path, content, reject_limit=0.9)
    assert (taken["state"], taken["accepted"], taken["rejected"]) == ("succeeded", 1, 9)


def test_the_limit_is_a_share(database_url: str, tmp_path: Path) -> None:
    assert run_ingest(database_url, str(tmp_path), "--reject-limit", "2").returncode == 2


@by_both
def test_a_repeated_poll_and_a_corrected_poll(load: Load, database_url: str, tmp_path: Path) -> None:
    content = b"\n".join([POLLS, ROW, ROW, ROW.replace(b"active", b"inactive")])
    found = load(database_url, tmp_path, content)
    assert [found[name] for name in ("rows_read", "accepted", "duplicate", "corrected")] == [3, 1, 1, 1]
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select is_active from observation").fetchall() == [(False,)]


@by_both
def test_a_store_in_one_file_only(load: Load, database_url: str, tmp_path: Path) -> None:
    files = (
        POLLS + b"\npolled," + ROW.split(b",", 1)[1],
        HOURS + b"\nopen,0,09:00:00,17:00:00",
        ZONES + b"\nzoned,America/Chicago",
    )
    for content in files:
        found = load(database_url, tmp_path, content)
        assert (found["state"], found["accepted"], found["rejected"]) == ("succeeded", 1, 0)
    with psycopg.connect(database_url) as conn:
        stores = conn.execute("select store_id from store order by store_id").fetchall()
    assert stores == [("open",), ("polled",), ("zoned",)]


@by_both
def test_ten_thousand_ranges_of_one_store_are_bounded(load: Load, database_url: str, tmp_path: Path) -> None:
    def load_each(minutes: int) -> tuple[str, int, int]:
        times = (divmod(minute, 60) for minute in range(0, 1440, minutes))
        rows = [f"a,{day},{hour:02}:{minute:02},23:59" for hour, minute in times for day in range(7)]
        found = load(database_url, tmp_path, HOURS + b"\n" + "\n".join(rows).encode())
        return found["state"], found["accepted"], found["rejected"]

    assert load_each(15) == ("succeeded", 672, 0)
    assert load_each(1) == ("succeeded", 0, 10_080)


def test_the_same_bytes_again(database_url: str, tmp_path: Path) -> None:
    for name in ("first.csv", "second.csv"):
        (tmp_path / name).write_bytes(polls(100, "same"))
    assert run_ingest(database_url, str(tmp_path / "first.csv")).returncode == 0
    done = run_ingest(database_url, str(tmp_path / "second.csv"))
    assert done.returncode == 0
    assert "the same bytes were loaded" in done.stderr.decode()


def test_a_file_that_grows_while_it_is_read(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "polls.csv"
    file.write_bytes(polls(200_000, "grow"))
    ended = threading.Event()

    def grow() -> None:
        with file.open("ab", buffering=0) as more:
            while not ended.wait(0.001):
                more.write(ROW + b"\n")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        done = run_ingest(database_url, str(file))
    finally:
        ended.set()
        writer.join()
    assert done.returncode == 1
    assert "changed while it was read" in done.stderr.decode()


def test_named_pipes_and_devices_are_refused_at_once(database_url: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = run_ingest(database_url, str(tmp_path / "pipe"), "/dev/zero", str(tmp_path / "missing.csv"))
    assert done.returncode == 1
    for message in ("pipe into `uptill ingest -`", "a device", "No such file"):
        assert message in done.stderr.decode()
