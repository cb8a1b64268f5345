"""The database goes away in the middle of an import: lost COMMITs, an outage that ends, one that does not."""

from pathlib import Path
from threading import Timer
from urllib.parse import urlsplit

import psycopg
import pytest

from services.ingest.run import Limits, LoadOptions, LoadProgress, ingest_paths, load_source
from services.ingest.write import reconnect
from services.ingest.write.import_result import ImportResult
from shared.errors import DatabaseUnavailable
from tests.fixtures.ingest_figures import CHUNK_BYTES, Figures, Pipe, figures, write_polls
from tests.fixtures.proxy import LostCommit, PostgresProxy
from tests.integration.ingest.database import check_ledger

HOURS = "store_id,day,start_time_local,end_time_local"


@pytest.fixture
def polls(tmp_path: Path) -> Path:
    file = tmp_path / "polls.csv"
    write_polls(file, seed=3, rows=3000, weeks=3)
    return file


def undisturbed(database_url: str, file: Path) -> Figures:
    """Load into the database, and forget it all."""
    ingest_paths(database_url, [str(file)], options=LoadOptions(limits=Limits(chunk_bytes=CHUNK_BYTES)))
    found = figures(database_url, file)
    with psycopg.connect(database_url) as conn:
        for (week,) in conn.execute(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'observation'::regclass"
        ).fetchall():
            conn.execute(f"drop table {week}")
        conn.execute("truncate store, business_hours, import cascade")
        conn.execute("truncate import_pending, import_staged")
        conn.execute("update ledger_head set seq = 0, latest_observed_at = null")
    return found


def load(url: str, file: Path) -> ImportResult:
    (result,) = ingest_paths(url, [str(file)], options=LoadOptions(limits=Limits(chunk_bytes=CHUNK_BYTES)))
    return result


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_lost_commits_of_every_chunk_are_applied_once(
    database_url: str, polls: Path, lost: LostCommit
) -> None:
    wanted = undisturbed(database_url, polls)
    with PostgresProxy(database_url, lost_commits=range(0, 100, 2), lost=lost) as proxy:
        result = load(proxy.url, polls)
    assert proxy.faults > 3
    assert result.resumed_at_byte == 0
    assert figures(database_url, polls) == wanted
    check_ledger(database_url)


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_lost_commits_of_hours_are_applied_once(database_url: str, tmp_path: Path, lost: LostCommit) -> None:
    file = tmp_path / "hours.csv"
    rows = [f"store-{n},{n % 7},09:00,{10 + n % 9}:00" for n in range(4000)]
    file.write_text("\n".join([HOURS, *rows, "store-bad,9,09:00,10:00", rows[0]]))
    with PostgresProxy(database_url, lost_commits=range(0, 100, 2), lost=lost) as proxy:
        result = load(proxy.url, file)
    assert proxy.faults > 2
    assert (result.accepted, result.duplicate, result.corrected, result.rejected) == (4000, 1, 0, 1)
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from business_hours").fetchone() == (4000,)
        assert conn.execute("select count(*) from import_staged").fetchone() == (0,)
    check_ledger(database_url)


def test_an_outage_heals_even_where_the_source_cannot_be_read_again(database_url: str, polls: Path) -> None:
    wanted = undisturbed(database_url, polls)
    with PostgresProxy(database_url) as proxy:
        back = Timer(1.0, proxy.come_back)

        def cut_once(progress: LoadProgress) -> None:
            if progress.bytes_done > polls.stat().st_size // 2 and not back.ident:
                proxy.go_away()
                back.start()

        pipe = Pipe(polls)
        result = load_source(
            proxy.url, pipe, options=LoadOptions(limits=Limits(chunk_bytes=CHUNK_BYTES), on_progress=cut_once)
        )
        back.join()
    assert result.state == "succeeded"
    assert figures(database_url, polls) == wanted
    check_ledger(database_url)


def test_an_import_goes_on_at_another_host(database_url: str, polls: Path) -> None:
    wanted = undisturbed(database_url, polls)
    parts = urlsplit(database_url)
    with PostgresProxy(database_url) as proxy:
        first = urlsplit(proxy.url).netloc
        both = parts._replace(netloc=f"{first},{parts.hostname}:{parts.port}").geturl()

        def cut(progress: LoadProgress) -> None:
            if progress.bytes_done > polls.stat().st_size // 2:
                proxy.go_away()

        (result,) = ingest_paths(
            both,
            [str(polls)],
            options=LoadOptions(limits=Limits(chunk_bytes=CHUNK_BYTES), on_progress=cut),
        )
    assert result.state == "succeeded"
    assert figures(database_url, polls) == wanted
    check_ledger(database_url)


def test_after_a_long_outage_the_import_goes_on_where_it_stopped(
    database_url: str, polls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = undisturbed(database_url, polls)
    monkeypatch.setattr(reconnect, "PATIENCE_S", 0.5)
    committed = 0

    with PostgresProxy(database_url) as proxy:

        def cut(progress: LoadProgress) -> None:
            nonlocal committed
            if progress.bytes_done > polls.stat().st_size // 2:
                committed = progress.bytes_done
                proxy.go_away()

        with pytest.raises(DatabaseUnavailable, match="the import resumes where it stopped"):
            ingest_paths(
                proxy.url,
                [str(polls)],
                options=LoadOptions(limits=Limits(chunk_bytes=CHUNK_BYTES), on_progress=cut),
            )
    assert load(database_url, polls).resumed_at_byte == committed
    assert figures(database_url, polls) == wanted
    check_ledger(database_url)
