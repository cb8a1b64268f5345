"""A database of one part of the benchmark, beside that of the stand: with a sample that ends now, or with other files."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench.stand import Stand
from services.ingest.run import ingest_paths
from services.sample import write_sample
from shared.db.migrate import migrate
from tests.fixtures.databases import database_address


def make_database(stand: Stand, name: str) -> str:
    """Make a database with the schema and no data, in place of one of that name. Return its address."""
    url = database_address(stand.endpoints, name)
    with psycopg.connect(stand.endpoints.database_url, autocommit=True) as admin:
        admin.execute(f"drop database if exists {name} with (force)".encode())
        admin.execute(f"create database {name}".encode())
    migrate(url)
    return url


def load_recent_sample(url: str, stores: int, days: int) -> None:
    """Load a sample that ends now."""
    with tempfile.TemporaryDirectory() as folder:
        write_sample(Path(folder), stores=stores, days=days, end=datetime.now(UTC))
        load_folder(url, Path(folder))


def load_folder(url: str, folder: Path) -> None:
    """Load the CSV files of a folder."""
    for done in ingest_paths(url, [str(folder)]):
        assert done.state == "succeeded", done
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("vacuum (analyze)")
