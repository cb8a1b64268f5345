"""SIGKILL at seeded bytes of the talk with the database, then the same file again: nothing lost, nothing twice."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from services.local.servers import Endpoints
from shared.db.migrate import migrate
from tests.fixtures.databases import fresh_database
from tests.fixtures.ingest_figures import CHUNK_BYTES, Figures, figures, write_polls
from tests.fixtures.proxy import PostgresProxy
from tests.integration.ingest.command import run_ingest, start_ingest
from tests.integration.ingest.database import check_ledger

ORDINARY, ALL = 8, 100
SMALL_CHUNKS = {"UPTILL_CHUNK_BYTES": str(CHUNK_BYTES)}  # as many commits as a file of 125 MB has


@dataclass(frozen=True)
class Undisturbed:
    """A database before the load, the file, what the command says to the server in bytes, and what it leaves."""

    template: str
    file: Path
    bytes_sent: int
    figures: Figures


@pytest.fixture(scope="module")
def undisturbed(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    folder = tmp_path_factory.mktemp("polls")
    before, file = folder / "before.csv", folder / "polls.csv"
    write_polls(before, seed=1, rows=2000, weeks=2)
    write_polls(file, seed=2, rows=8000, weeks=4)
    with fresh_database(servers) as template_url:
        migrate(template_url)
        assert run_ingest(template_url, str(before)).returncode == 0
        template = urlsplit(template_url).path.removeprefix("/")
        with fresh_database(servers, template=template) as url, PostgresProxy(url) as proxy:
            done = run_ingest(proxy.url, str(file), env=SMALL_CHUNKS)
            assert done.returncode == 0, done.stderr
            check_ledger(url)
            yield Undisturbed(template, file, proxy.bytes_sent, figures(url, file))


def last_committed_byte(database_url: str, file: Path) -> int:
    with psycopg.connect(database_url) as conn:
        ((end_byte,),) = conn.execute(
            "select coalesce(max(end_byte), 0) from import join import_chunk on import_id = id where source = %s",
            [str(file)],
        )
    return int(end_byte)


@pytest.mark.parametrize(
    "seed",
    [*range(ORDINARY), *(pytest.param(seed, marks=pytest.mark.chaos) for seed in range(ORDINARY, ALL))],
)
def test_a_killed_import_goes_on(servers: Endpoints, undisturbed: Undisturbed, seed: int) -> None:
    file = undisturbed.file
    share = (seed % ORDINARY + random.Random(seed).random()) / ORDINARY  # every eighth of the way is hit
    with fresh_database(servers, template=undisturbed.template) as url:
        with PostgresProxy(url, stall_at=int(share * 0.99 * undisturbed.bytes_sent)) as proxy:
            process = start_ingest(proxy.url, str(file), env=SMALL_CHUNKS)
            try:
                assert proxy.stalled.wait(60)
            finally:
                process.kill()
                process.wait()
        committed = last_committed_byte(url, file)
        done = run_ingest(url, str(file), env=SMALL_CHUNKS)
        assert done.returncode == 0, done.stderr
        went_on = f"resumed at byte {committed:,}" in done.stderr.decode()
        assert committed or share < 0.3
        assert went_on == bool(committed) or b"the same bytes were loaded" in done.stderr
        assert figures(url, file) == undisturbed.figures
        check_ledger(url)
