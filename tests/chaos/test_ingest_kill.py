"""SIGKILL at seeded bytes of the talk with the database, then the same file again: nothing lost, nothing twice."""

import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from services.cli.local.servers import Endpoints
from services.ingest.run import ingest_paths
from shared.db.migrate import migrate
from tests.fixtures.databases import fresh_database
from tests.fixtures.ingest_figures import CHUNK_BYTES, Figures, figures, write_polls
from tests.fixtures.proxy import PostgresProxy
from tests.integration.ingest_database import check_ledger

ORDINARY, ALL = 8, 100
LOAD = (
    "import sys; from services.ingest.run import ingest_paths;"
    f"ingest_paths(sys.argv[1], sys.argv[2:], chunk_bytes={CHUNK_BYTES})"
)


@dataclass(frozen=True)
class Undisturbed:
    """A database before the load, the file, what the load says to the server in bytes, and what it leaves."""

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
        ingest_paths(template_url, [str(before)])
        template = urlsplit(template_url).path.removeprefix("/")
        with fresh_database(servers, template=template) as url, PostgresProxy(url) as proxy:
            ingest_paths(proxy.url, [str(file)], chunk_bytes=CHUNK_BYTES)
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
            process = subprocess.Popen([sys.executable, "-c", LOAD, proxy.url, str(file)])
            try:
                assert proxy.stalled.wait(60)
            finally:
                process.kill()
                process.wait()
        committed = last_committed_byte(url, file)
        (result,) = ingest_paths(url, [str(file)], chunk_bytes=CHUNK_BYTES)
        assert committed or share < 0.3
        assert result.same_as or result.resumed_at_byte == committed
        assert figures(url, file) == undisturbed.figures
        check_ledger(url)
