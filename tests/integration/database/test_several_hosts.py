"""An address of several hosts: sessions leave a host that stands still, once another one takes writes."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest

from services.local.ports import HOST, free_ports
from shared.db import primary_watch, several_hosts
from shared.db.connect import session_arguments
from shared.db.own_sessions import OwnAsyncConnection, OwnConnection
from shared.db.several_hosts import address_like, last_first
from tests.fixtures.proxy import PostgresProxy
from tests.fixtures.services import wait_until

_ATTRIBUTES = "target_session_attrs=read-write"
WAITING = "select exists (select from pg_locks where locktype = 'advisory' and not granted)"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(primary_watch, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(primary_watch, "_SILENT_S", 0.2)


@pytest.fixture
def proxy(database_url: str) -> Iterator[PostgresProxy]:
    """The first host: it leads to the test's database, and can stand still."""
    with PostgresProxy(database_url) as proxy:
        yield proxy


def several(database_url: str, *ports: int | None) -> str:
    """The database at several ports of this machine."""
    parts = urlsplit(database_url)
    hosts = ",".join(f"{HOST}:{port}" for port in ports)
    login = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{login}@{hosts}", query=_ATTRIBUTES).geturl()


@contextmanager
def opened(address: str) -> Iterator[psycopg.Connection]:
    with OwnConnection.connect(address, **session_arguments("test"), autocommit=True) as conn:
        yield conn


@contextmanager
def running(conn: psycopg.Connection, statement: bytes) -> Iterator[Future[psycopg.Cursor]]:
    """Run a statement in a thread while the block runs."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(conn.execute, statement)


def test_sessions_leave_a_host_that_stands_still(database_url: str, proxy: PostgresProxy) -> None:
    address = several(database_url, urlsplit(proxy.url).port, urlsplit(database_url).port)
    with opened(address) as busy, opened(address) as idle:
        proxy.stall_at = proxy.bytes_sent
        with running(busy, b"select 1") as answer, pytest.raises(psycopg.OperationalError):
            answer.result(timeout=60)
        with pytest.raises(psycopg.OperationalError):
            idle.execute("select 1")


def test_sessions_of_asyncio_leave_it_too(database_url: str, proxy: PostgresProxy) -> None:
    address = several(database_url, urlsplit(proxy.url).port, urlsplit(database_url).port)

    async def wait_for_an_answer() -> None:
        conn = await OwnAsyncConnection.connect(address, **session_arguments("test"), autocommit=True)
        async with conn:
            proxy.stall_at = proxy.bytes_sent
            async with asyncio.timeout(60):
                await conn.execute("select 1")

    with pytest.raises(psycopg.OperationalError):
        asyncio.run(wait_for_an_answer())


def test_a_long_statement_of_the_primary_goes_on(database_url: str, proxy: PostgresProxy) -> None:
    address = several(database_url, urlsplit(proxy.url).port, urlsplit(database_url).port)
    with opened(address) as conn, psycopg.connect(database_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(1)")
        before = proxy.connections
        with running(conn, b"select pg_advisory_lock_shared(1), 2") as answer:
            wait_until(lambda: proxy.connections >= before + 2, "two questions which host takes writes")
            other.execute("select pg_advisory_unlock(1)")
            assert answer.result(timeout=60).fetchone() == ("", 2)


def test_sessions_stay_while_no_other_host_takes_writes(database_url: str, proxy: PostgresProxy) -> None:
    (closed,) = free_ports(1)
    address = several(database_url, urlsplit(proxy.url).port, closed)
    with opened(address) as conn, psycopg.connect(database_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(1)")
        with running(conn, b"select pg_advisory_lock_shared(1), 2") as answer:
            wait_until(lambda: other.execute(WAITING).fetchone() == (True,), "the statement at the server")
            proxy.stall_at = proxy.bytes_sent  # of new connections: this one only waits for its answer
            before = proxy.connections
            wait_until(lambda: proxy.connections >= before + 2, "two questions which host takes writes")
            other.execute("select pg_advisory_unlock(1)")
            assert answer.result(timeout=60).fetchone() == ("", 2)


def test_a_new_connection_tries_the_last_primary_first(database_url: str) -> None:
    (closed,) = free_ports(1)
    well = urlsplit(database_url).port
    address = several(database_url, closed, well)
    assert last_first(address) == address
    with opened(address):
        aimed = psycopg.conninfo.conninfo_to_dict(last_first(address))
    assert (aimed["host"], aimed["port"]) == (f"{HOST},{HOST}", f"{well},{closed}")


def test_a_session_is_opened_again_on_any_of_its_hosts(database_url: str, proxy: PostgresProxy) -> None:
    address = several(database_url, urlsplit(proxy.url).port, urlsplit(database_url).port)
    with opened(address) as conn:
        again = address_like(conn)
    proxy.go_away()
    with OwnConnection.connect(again, autocommit=True) as conn:
        assert conn.info.port == urlsplit(database_url).port
        assert conn.execute("show application_name").fetchone() == ("test",)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://u:p@a:5432,b/db", True),
        ("host=a,b dbname=db", True),
        ("postgresql://u:p,q@a/db", False),
        ("postgresql://u:p@a/db", False),
        ("postgresql://u:p@a:x,b/db?what=1", False),
    ],
)
def test_an_address_names_several_hosts(address: str, expected: bool) -> None:
    assert several_hosts.names_several(address) is expected
