"""`make bench`: every benchmark, on durable embedded servers of its own. All figures of one run; quote the ratios."""

import argparse
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from bench import ingest, live, report
from services.cli.local.ports import free_ports
from services.cli.local.processes import ProcessSet
from services.cli.local.servers import start_servers
from services.cli.sample import write_sample
from services.ingest.run import ingest_paths
from shared.db.migrate import migrate
from shared.keys import create_key
from tests.fixtures.buckets import fresh_bucket, s3_client

_DATABASE = "uptill_bench"


def main() -> None:
    """Make the reference set, then measure ingest and report on it."""
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--stores", type=int, default=3678)
    options.add_argument("--days", type=int, default=45)
    options.add_argument("--rounds", type=int, default=5, help="rounds of the ingest benchmark")
    options.add_argument("--large", action="store_true", help="also load ten times as many stores, once")
    given = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="uptill-bench-") as folder,
        ProcessSet(Path(folder, "logs")) as processes,
    ):
        sample, data, logs = (Path(folder, name) for name in ("sample", "data", "logs"))
        data.mkdir()
        write_sample(sample, stores=given.stores, days=given.days)
        servers = start_servers(data, processes).endpoints
        rounds = ingest.run_rounds(servers.database_url, sample / "store_status.csv", given.rounds)
        if given.large:
            ingest.run_large(servers.database_url, [each.first for each in rounds])
        live.run(servers.database_url, Path(folder))
        with psycopg.connect(servers.database_url, autocommit=True) as conn:
            conn.execute(f"create database {_DATABASE}".encode())
        database_url = urlsplit(servers.database_url)._replace(path=f"/{_DATABASE}").geturl()
        migrate(database_url)
        ingest_paths(database_url, [str(sample)])
        with psycopg.connect(database_url) as conn:
            key = create_key(conn, name="bench", scopes=["admin"])
        with fresh_bucket(s3_client(servers)) as bucket:
            report.run(
                {
                    "UPTILL_DATABASE_URL": database_url,
                    "UPTILL_REDIS_URL": servers.redis_url,
                    "UPTILL_S3_ENDPOINT": servers.s3_endpoint,
                    "UPTILL_S3_BUCKET": bucket,
                    "UPTILL_S3_ACCESS_KEY": servers.s3_access_key,
                    "UPTILL_S3_SECRET_KEY": servers.s3_secret_key,
                    "UPTILL_API_URL": f"http://127.0.0.1:{free_ports(1)[0]}",
                    "UPTILL_API_KEY": key,
                },
                logs,
            )


if __name__ == "__main__":
    main()
