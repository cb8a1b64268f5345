"""A fleet of live state within the test's process, and one step of the scheduler that evaluates its rules."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg_pool import ConnectionPool

from services.scheduler.incidents.evaluate_due import evaluate_rules
from tests.integration.live.conftest import broker, pool, refresh, settings
from tests.integration.live.live_fleet import load_live_fleet

__all__ = ["broker", "pool", "refresh", "settings"]


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        load_live_fleet(database_url, conn)
        yield conn


@pytest.fixture
def look(pool: ConnectionPool, refresh: Callable[[], int]) -> Callable[[], int]:
    """Refresh live state and evaluate the rules; return how many changes that made."""

    def look() -> int:
        refresh()
        return evaluate_rules(pool)

    return look


@pytest.fixture
def put_rule(api: TestClient) -> Callable[..., Any]:
    """Set a rule. Its incidents end at once, unless it says otherwise."""

    def put_rule(name: str, kind: str, **terms: Any) -> Any:
        answer = api.put(f"/v1/alert-rules/{name}", json={"kind": kind, "hold_open_minutes": 0, **terms})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return put_rule


@pytest.fixture
def incidents(api: TestClient) -> Callable[..., list[Any]]:
    """List incidents, oldest first."""

    def incidents(**chosen: Any) -> list[Any]:
        answer = api.get("/v1/incidents", params=chosen)
        assert answer.status_code == 200, answer.text
        return list(reversed(answer.json()["incidents"]))

    return incidents
