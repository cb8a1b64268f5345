"""The command: its table, exit codes and messages. Its memory does not grow with the file."""

import os
import re
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.integration.ingest.command import COLD, environment, run_ingest
from tests.integration.ingest.database import POLLS_HEADER


def test_table_rejects_and_exit_code(database_url: str, tmp_path: Path) -> None:
    polls = tmp_path / "polls.csv"
    polls.write_text(
        POLLS_HEADER
        + "\n"
        + "a,active,2024-09-02 00:00:00 UTC\n" * 2
        + "[b]x[/b],open,2024-09-02 00:00:00 UTC\n"
    )
    done = run_ingest(database_url, str(polls))
    assert done.returncode == 0, done.stderr
    assert re.search(r"polls\.csv\W+polls\W+1\W+1\W+0\W+1\W", done.stdout.decode())
    assert "line 4: status" in done.stderr.decode()
    assert "[b]x[/b]" in done.stderr.decode()


def test_standard_input(database_url: str) -> None:
    done = run_ingest(database_url, "-", stdin=(POLLS_HEADER + "\na,active,2024-09-02 00:00:00 UTC").encode())
    assert done.returncode == 0, done.stderr
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from observation").fetchone() == (1,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        (b"", "empty"),
        (b"a;b\n", "header is unknown"),
        (b"PK\x03\x04", "zip"),
        (b"a,b\n", "It must name"),
    ],
)
def test_the_error_of_a_refused_file_says_what_to_change(
    database_url: str, tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "file.csv"
    if content is not None:
        file.write_bytes(content)
    done = run_ingest(database_url, str(file))
    assert done.returncode == 1
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_an_empty_folder_and_no_argument(database_url: str, tmp_path: Path) -> None:
    assert run_ingest(database_url, str(tmp_path)).returncode == 1
    assert run_ingest(database_url).returncode == 2


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--watch"]])
@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_path_is_not_the_current_folder(database_url: str, empty: str, options: list[str]) -> None:
    done = run_ingest(database_url, *options, empty)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"a path is empty" in done.stderr


def test_the_lock_file_of_a_spreadsheet_program_is_left_out(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "polls.csv").write_text(POLLS_HEADER)
    (tmp_path / "~$polls.csv").write_bytes(b"\x05user")
    done = run_ingest(database_url, str(tmp_path))
    assert done.returncode == 0
    assert b"left out:" in done.stderr
    assert b"the lock file of a spreadsheet program" in done.stderr


def test_an_unreachable_database(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "polls.csv").write_text(POLLS_HEADER)
    done = run_ingest(psycopg.conninfo.make_conninfo(database_url, port=1), str(tmp_path))
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr


def test_memory_does_not_grow_with_the_file(database_url: str, tmp_path: Path) -> None:
    """Thirty chunks need as much memory as three."""
    peaks = []
    for number, rows in enumerate((60_000, 600_000)):
        file = tmp_path / f"{number}.csv"
        with file.open("w") as lines:
            lines.write(POLLS_HEADER + "\n")
            lines.writelines(
                f"store-{row % 97},active,2024-{9 + number:02}-{1 + row % 28:02} {row // 28 % 24:02}:"
                f"{row // 672 % 60:02}:{row // 40320 % 60:02}.{row % 999_999:06} UTC\n"
                for row in range(rows)
            )
        env = environment(database_url, {"UPTILL_CHUNK_BYTES": str(1 << 20)})
        process = subprocess.Popen([*COLD, str(file)], env=env, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peaks.append(usage.ru_maxrss)
    assert peaks[1] < peaks[0] * 1.15 + 8 * 1024  # KB
