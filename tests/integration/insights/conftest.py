"""The fleet of insights, and a session in its database."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.integration.insights.insight_fleet import load_insight_fleet


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        load_insight_fleet(database_url, conn)
        yield conn
