"""The command: its table, its exit codes, its messages; memory that does not grow with the file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.integration.ingest_database import POLLS_HEADER

COMMAND = "import typer; from services.ingest.command import ingest; typer.run(ingest)"
PEAK = (
    "import resource, sys; from services.ingest.run import ingest_paths;"
    "results = ingest_paths(sys.argv[1], sys.argv[2:], chunk_bytes=1 << 20);"
    "print(results[0].accepted, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def run(database_url: str, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        env={**os.environ, "UPTILL_DATABASE_URL": database_url, "COLUMNS": "200"},
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_table_rejects_and_exit_code(database_url: str, tmp_path: Path) -> None:
    polls = tmp_path / "polls.csv"
    polls.write_text(
        POLLS_HEADER
        + "\n"
        + "a,active,2024-09-02 00:00:00 UTC\n" * 2
        + "[b]x[/b],open,2024-09-02 00:00:00 UTC\n"
    )
    done = run(database_url, str(polls))
    assert done.returncode == 0, done.stderr
    assert re.search(r"polls\.csv\W+polls\W+1\W+1\W+0\W+1\W", done.stdout.decode())
    assert "line 4: status" in done.stderr.decode()
    assert "[b]x[/b]" in done.stderr.decode()


def test_standard_input(database_url: str) -> None:
    done = run(database_url, "-", stdin=(POLLS_HEADER + "\na,active,2024-09-02 00:00:00 UTC").encode())
    assert done.returncode == 0, done.stderr
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from observation").fetchone() == (1,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        (b"", "empty"),
        (b"a;b\n", "commas"),
        (b"PK\x03\x04", "zip"),
        (b"a,b\n", "Line 1 must name"),
    ],
)
def test_a_refused_file_says_what_to_change(
    database_url: str, tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "file.csv"
    if content is not None:
        file.write_bytes(content)
    done = run(database_url, str(file))
    assert done.returncode == 1
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_an_empty_folder_and_no_argument(database_url: str, tmp_path: Path) -> None:
    assert run(database_url, str(tmp_path)).returncode == 1
    assert run(database_url).returncode == 2


def test_a_database_that_is_away(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "polls.csv").write_text(POLLS_HEADER)
    done = run(psycopg.conninfo.make_conninfo(database_url, port=1), str(tmp_path))
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_memory_does_not_grow_with_the_file(database_url: str, tmp_path: Path) -> None:
    """Thirty chunks take what three take."""
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
        done = subprocess.run(
            [sys.executable, "-c", PEAK, database_url, str(file)],
            capture_output=True,
            check=True,
            timeout=120,
        )
        accepted, peak = map(int, done.stdout.split())
        assert accepted == rows
        peaks.append(peak)
    assert peaks[1] < peaks[0] * 1.15 + 8 * 1024  # KB
