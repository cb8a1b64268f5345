"""The servers of the benchmarks: durable, embedded, with a loaded sample, in a folder that can be kept."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from services.ingest.run import ingest_paths
from services.local.ports import free_ports
from services.local.processes import ProcessSet
from services.local.servers import Endpoints, start_servers
from services.sample import write_sample
from shared.db.connect import connect
from shared.db.migrate import migrate
from shared.keys import create_key
from tests.fixtures.buckets import s3_client
from tests.fixtures.logins import make_test_logins

REFERENCE_STORES, REFERENCE_DAYS = 3678, 45
_DATABASE = "uptill_bench"
_BUCKET = "bench"
_NO_LIMIT = "1000000/second"


@dataclass(frozen=True)
class SampleFleet:
    """The size of a sample."""

    stores: int
    days: int

    def __str__(self) -> str:
        return f"{self.stores:,} stores, {self.days} days"


@dataclass(frozen=True)
class Stand:
    """The servers, the loaded sample, and the settings of services that use them. `folder` belongs to this fleet only."""

    folder: Path
    fleet: SampleFleet
    endpoints: Endpoints
    env: dict[str, str]

    @property
    def database_url(self) -> str:
        return self.env["UPTILL_DATABASE_URL"]

    @property
    def sample(self) -> Path:
        """The folder with the CSV files."""
        return self.folder / "sample"


@contextmanager
def prepared_stand(data: Path, fleet: SampleFleet, *, is_empty: bool = False) -> Iterator[Stand]:
    """Yield servers for this fleet, reusing what an earlier run left in `data`. An empty stand has no sample and no polls."""
    folder = data / f"{fleet.stores}x{fleet.days}{'-empty' if is_empty else ''}"
    servers, loaded = folder / "servers", folder / "loaded"
    if is_empty:
        shutil.rmtree(folder, ignore_errors=True)
    servers.mkdir(parents=True, exist_ok=True)
    if not is_empty and not (folder / "sample").exists():
        write_sample(folder / "sample", stores=fleet.stores, days=fleet.days)
    with ProcessSet(folder / "logs") as processes:
        endpoints = start_servers(servers, processes).endpoints
        url = urlsplit(endpoints.database_url)._replace(path=f"/{_DATABASE}").geturl()
        if not loaded.exists():
            _make_database(endpoints, url)
            if not is_empty:
                _load_sample(url, folder / "sample")
            loaded.touch()
        migrate(url)
        make_test_logins(url)
        with psycopg.connect(url) as conn:
            conn.execute("delete from report")
            key = create_key(conn, name="bench", scopes=["admin"])
        yield Stand(folder, fleet, endpoints, _make_environment(endpoints, url, key))


def _make_database(endpoints: Endpoints, url: str) -> None:
    with psycopg.connect(endpoints.database_url, autocommit=True) as conn:
        conn.execute(f"drop database if exists {_DATABASE} with (force)".encode())
        conn.execute(f"create database {_DATABASE}".encode())
    migrate(url)
    client = s3_client(endpoints)
    client.create_bucket(Bucket=_BUCKET)
    client.close()


def _load_sample(url: str, sample: Path) -> None:
    for done in ingest_paths(url, [str(sample)]):
        assert done.state == "succeeded", done
        rate = f"{done.accepted / done.seconds:,.0f} a second"
        print(
            f"loaded {Path(done.source).name}: {done.accepted:,} rows in {done.seconds:.1f} s, {rate}",
            flush=True,
        )
    with connect(url, application_name="bench", statement_timeout_s=0, autocommit=True) as conn:
        conn.execute("vacuum (analyze)")  # as autovacuum does within a minute


def _make_environment(endpoints: Endpoints, database_url: str, key: str) -> dict[str, str]:
    return {
        "UPTILL_DATABASE_URL": database_url,
        "UPTILL_REDIS_URL": endpoints.redis_url,
        "UPTILL_S3_ENDPOINT": endpoints.s3_endpoint,
        "UPTILL_S3_BUCKET": _BUCKET,
        "UPTILL_S3_ACCESS_KEY": endpoints.s3_access_key,
        "UPTILL_S3_SECRET_KEY": endpoints.s3_secret_key,
        "UPTILL_API_URL": f"http://127.0.0.1:{free_ports(1)[0]}",
        "UPTILL_API_KEY": key,
        # What a process can do is measured, not what a key may ask for.
        "UPTILL_RATE_READ": _NO_LIMIT,
        "UPTILL_RATE_REPORT": _NO_LIMIT,
        "UPTILL_MAX_QUEUE_AGE_S": "86400",
        "UPTILL_MAX_OPEN_REPORTS": "1000000",
        "UPTILL_MAX_PENDING_WEBHOOKS": "1000000",
    }
