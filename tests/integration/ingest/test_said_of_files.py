"""What is said about a file, an archive or an address as a whole, in the words that fit it."""

from pathlib import Path

from services.ingest.show_plan import name_files
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.conftest import LoadFile
from tests.integration.ingest.deliveries import table


def test_the_separator_line_and_the_header_must_agree(load_file: LoadFile) -> None:
    refused = load_file(b"sep=;\nstore_id,status,timestamp_utc\na,active,2024-10-14T09:00:00Z\n")
    reason, message = refused.refusal
    assert reason == "header"
    assert "Remove the line sep=;" in message
    assert (
        load_file(b"sep=;\nstore_id;status;timestamp_utc\na;active;2024-10-14T09:00:00Z\n").state
        == "succeeded"
    )


def test_a_zip_that_does_not_begin_like_one_is_named(load_file: LoadFile) -> None:
    reason, message = load_file(b"MZ\x90 not a zip\rPK\x03\x04", name="set.zip").refusal
    assert (reason, "named .zip" in message) == ("magic", True)
    polls = b"store_id,status,timestamp_utc\na,active,2024-10-14T09:00:00Z\n"
    assert load_file(polls, name="set.zip").state == "succeeded"


def test_skipped_bytes_name_the_first_load_and_its_rejected_rows(database_url: str, tmp_path: Path) -> None:
    rows = ["a,active,2024-10-14T09:00:00Z", "a,odd,2024-10-14T10:00:00Z", "a,active,2024-10-14T11:00:00Z"]
    text = table(*rows, header="store_id,status,timestamp_utc")
    (tmp_path / "first.csv").write_text(text)
    (tmp_path / "second.csv").write_text(text)
    run_ingest(database_url, str(tmp_path / "first.csv"))
    again = run_ingest(database_url, str(tmp_path / "second.csv")).stderr.decode()
    assert "second.csv: skipped: the same bytes were loaded on 2" in again
    assert f" UTC as {tmp_path / 'first.csv'} (import " in again
    assert "1 row was rejected then: `uptill rejects " in again


def test_the_only_row_and_all_rows_are_called_that(load_file: LoadFile) -> None:
    header = "store_id,status,timestamp_utc"
    one = load_file(table("a,odd,2024-10-14T09:00:00Z", header=header).encode()).refusal[1]
    assert one.startswith("the only row (line 2) was rejected (1 status)")
    rows = ["a,odd,2024-10-14T09:00:00Z", "b,odd,2024-10-14T09:00:00Z"]
    both = load_file(table(*rows, header=header).encode(), name="two.csv").refusal[1]
    assert both.startswith("all 2 rows from line 2 on were rejected (2 status)")


def test_files_of_one_name_are_told_apart(database_url: str, tmp_path: Path) -> None:
    for folder in ("north", "south"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "zones.csv").write_text(table(f"{folder},UTC", header="store_id,timezone_str"))
    folders = [str(tmp_path / "north"), str(tmp_path / "south")]
    planned = run_ingest(database_url, *folders, "--dry-run").stdout.decode()
    assert "\nnorth/zones.csv: 1 store (1 new: north)" in planned
    assert "\nsouth/zones.csv: 1 store (1 new: south)" in planned
    done = run_ingest(database_url, *folders)
    assert b"north/zones.csv" in done.stdout
    assert b"south/zones.csv" in done.stdout


def test_a_name_has_as_many_folders_as_tell_files_apart() -> None:
    sources = ["/x/a/h.csv", "/y/a/h.csv", "/y/b/h.csv", "/y/only.csv", "h.csv"]
    assert name_files(sources) == ["x/a/h.csv", "y/a/h.csv", "b/h.csv", "only.csv", "h.csv"]
    assert name_files(["/a/h.csv"] * 2) == ["h.csv"] * 2


def test_a_file_of_an_archive_may_be_named_with_it() -> None:
    sources = ["/x/week.zip/in/h.csv", "/x/week.ZIP/z.csv", "/x/h.csv", "/y/week.zip"]
    assert name_files(sources, with_archives=True) == [
        "week.zip/in/h.csv",
        "week.ZIP/z.csv",
        "x/h.csv",
        "week.zip",
    ]


def test_addresses_of_other_kinds_are_refused(database_url: str) -> None:
    done = run_ingest(database_url, "https://example.com/polls.csv")
    assert done.returncode == 1
    assert b"https:// addresses cannot be loaded" in done.stderr
