"""Channels in a database, with the logins that services have."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.fixtures.logins import login_url


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    """A session of a worker or scheduler, each statement its own transaction."""
    with psycopg.connect(login_url(database_url, "uptill_worker"), autocommit=True) as conn:
        yield conn


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection]:
    """A session of the owner, each statement its own transaction."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn
