"""Writing a sample: the same bytes for the same arguments, any size, bounded memory, all files or none."""

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from services.sample import write_sample

HEADERS = {
    "store_status.csv": "store_id,status,timestamp_utc",
    "menu_hours.csv": "store_id,dayOfWeek,start_time_local,end_time_local",
    "timezones.csv": "store_id,timezone_str",
}


def digests(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}


def test_the_bytes_are_pinned_for_every_machine(tmp_path: Path) -> None:
    write_sample(tmp_path, stores=120, days=9, seed=7)
    assert digests(tmp_path) == {
        "menu_hours.csv": "39a23fcaff068a52d417b8b8a8178f1a2cc651300a05260e52951cc19671e326",
        "store_status.csv": "1acaa4c320a5831d304456d50c1100303afd02e2522fb32635fbc5944d56426a",
        "timezones.csv": "c994d62a3a6cb99c35f191fa8df45719c129591d8d3d1daa69794dfa43de69d5",
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_sample(tmp_path / name, stores=50, days=3, seed=seed)
    first, again, other = (digests(tmp_path / name) for name in "abc")
    assert first == again
    assert all(first[name] != other[name] for name in HEADERS)


@pytest.mark.parametrize(("stores", "days"), [(1, 1), (1, 30), (2, 8), (7, 7), (1000, 1), (20_000, 1)])
def test_any_size_works(tmp_path: Path, stores: int, days: int) -> None:
    summary = write_sample(tmp_path, stores=stores, days=days)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(HEADERS)
    for file in summary.files:
        lines = file.path.read_text().splitlines()
        assert lines[0] == HEADERS[file.path.name]
        assert len(lines) - 1 == file.rows > 0
        assert all(line.count(",") == lines[0].count(",") for line in lines)
        assert file.path.stat().st_size == file.size_bytes
    assert summary.size_bytes == sum(file.size_bytes for file in summary.files)
    assert pl.read_csv(summary.files[0].path)["store_id"].n_unique() == stores


def test_the_summary_reads_as_one_line_a_file(tmp_path: Path) -> None:
    summary = write_sample(tmp_path, stores=1000, days=1)
    polls, hours, zones = str(summary).splitlines()
    assert polls.startswith(f"{tmp_path}/store_status.csv: ")
    assert hours.startswith(f"{tmp_path}/menu_hours.csv: ")
    assert zones == f"{tmp_path}/timezones.csv: 1,239 rows, {summary.files[2].size_bytes:,} bytes"


def test_only_the_zones_file_lacks_its_final_newline(tmp_path: Path) -> None:
    write_sample(tmp_path, stores=3, days=1)
    ends = {path.name: path.read_bytes().endswith(b"\n") for path in tmp_path.iterdir()}
    assert ends == {"store_status.csv": True, "menu_hours.csv": True, "timezones.csv": False}


def test_the_end_moves_the_polls_and_may_have_any_zone(tmp_path: Path) -> None:
    end = datetime(2023, 3, 12, 12, 30, tzinfo=UTC)
    summary = write_sample(tmp_path, stores=20, days=3, end=end.astimezone())
    stamps = pl.read_csv(summary.files[0].path)["timestamp_utc"]
    assert min(stamps) >= f"{end - timedelta(days=3):%Y-%m-%d %H:%M}"
    assert f"{end - timedelta(hours=1):%Y-%m-%d %H:%M}" <= max(stamps) < f"{end:%Y-%m-%d %H:%M}"


def test_progress_counts_up_to_the_total(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write_sample(tmp_path, stores=10, days=20, on_progress=lambda done, total: calls.append((done, total)))
    assert len(calls) > 5
    assert calls == sorted(calls)
    assert calls[-1][0] == calls[-1][1]
    assert len({total for _, total in calls}) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stores": 0}, "stores must be at least 1"),
        ({"days": 0}, "days must be at least 1"),
        ({"seed": -1}, "seed must not be negative"),
        ({"end": datetime(2024, 10, 15)}, "end must have a time zone"),  # noqa: DTZ001
        ({"end": datetime(1999, 1, 1, tzinfo=UTC)}, "must lie between 2000 and 2100"),
        ({"end": datetime(2200, 1, 1, tzinfo=UTC)}, "must lie between 2000 and 2100"),
        ({"days": 10_000}, "the 10000 days before .* must lie between"),
    ],
)
def test_arguments_out_of_range_are_refused(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_sample(tmp_path / "new", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_a_failure_leaves_the_old_files_and_nothing_else(tmp_path: Path) -> None:
    write_sample(tmp_path, stores=5, days=20, seed=1)
    before = digests(tmp_path)

    def fail(done: int, total: int) -> None:
        if done > total / 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_sample(tmp_path, stores=5, days=20, seed=2, on_progress=fail)
    assert digests(tmp_path) == before

    write_sample(tmp_path, stores=5, days=20, seed=2)
    assert all(digests(tmp_path)[name] != before[name] for name in HEADERS)


def test_memory_does_not_grow_with_the_rows_and_the_defaults_give_1_85_million(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory of this process alone is read from /proc")
    peaks_kb, sizes_bytes = [], []
    for days in (8, 45):
        rows, size_bytes, peak_kb = _run_alone(tmp_path, days)
        peaks_kb.append(peak_kb)
        sizes_bytes.append(size_bytes)
    assert rows == pytest.approx(1_850_000, rel=0.005)
    assert sizes_bytes[1] > 5 * sizes_bytes[0]
    assert peaks_kb[1] - peaks_kb[0] < (sizes_bytes[1] - sizes_bytes[0]) / 1024 / 4


def _run_alone(directory: Path, days: int) -> tuple[int, int, int]:
    """Rows and bytes of the poll file, and the peak memory in KB of a process that does nothing else."""
    program = (
        "import sys, pathlib, services.sample as sample\n"
        "status = sample.write_sample(pathlib.Path(sys.argv[1]), days=int(sys.argv[2])).files[0]\n"
        "peak = pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]\n"
        "print(status.rows, status.size_bytes, peak)\n"
    )
    run = [sys.executable, "-c", program, str(directory), str(days)]
    root = Path(__file__).parents[2]
    output = subprocess.run(run, check=True, capture_output=True, text=True, cwd=root).stdout
    rows, size_bytes, peak_kb = output.split()
    return int(rows), int(size_bytes), int(peak_kb)
