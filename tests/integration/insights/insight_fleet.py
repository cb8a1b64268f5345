"""Nine weeks of a fleet in which insights find one of each kind, and a run over it in the test's process."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
from fastapi.testclient import TestClient

from services.worker.context import WorkerContext
from shared.insights.terms import WEEKS
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import work

# A Monday noon, so that the last ended date is a Saturday or a Sunday.
NOW = datetime(2024, 10, 14, 12, 30, tzinfo=UTC)
DAYTIME = [(day, 10 * 3600, 22 * 3600) for day in range(7)]
STORES = 30
LATE = "late"
# The stores from this one on have a common outage on these afternoons.
FRANCHISE, OUTAGES = 22, ("2024-10-02", "2024-10-10")


def polls(store: int) -> list[tuple[datetime, bool]]:
    """Nine weeks of hourly polls. Outages last some hours, and stores differ. One is late on Sundays, one gets worse, and a
    franchise is down on two afternoons.
    """
    draws = np.random.default_rng(store)
    share, found, is_down = 0.02 + 0.01 * (store % 6), [], False
    for hours in range(24 * 7 * (WEEKS + 1), 0, -1):
        at = NOW - timedelta(hours=hours)
        is_down = bool(draws.random() < (0.7 if is_down else share))
        late = store == 0 and at.weekday() == 6 and at.hour in (10, 11)
        worse = store == 1 and hours < 24 * 28 and bool(draws.random() < 0.5)
        together = store >= FRANCHISE and at.date().isoformat() in OUTAGES and 13 <= at.hour < 18
        found.append((at, not (is_down or late or worse or together)))
    return found


FLEET = {(LATE if n == 0 else f"s{n:02}"): Store(polls(n), "UTC", DAYTIME) for n in range(STORES)}


def load_insight_fleet(database_url: str, conn: psycopg.Connection) -> None:
    """Load the fleet with its labels."""
    load_fleet(database_url, FLEET)
    conn.execute(
        "update store set labels = jsonb_build_object('region', case when store_id < 's10' then 'north' else 'south' end)"
        " || case when store_id >= %s then jsonb_build_object('franchise', 'X') else '{}' end"
        " where store_id = any(%s)",
        [f"s{FRANCHISE}", list(FLEET)],
    )


def run_insights(api: TestClient, worker: WorkerContext) -> dict[str, Any]:
    """Request a run, compute it, and return its state."""
    created = api.post("/v1/insights/runs")
    assert created.status_code == 202, created.json()
    work(worker, created.json()["id"])
    found: dict[str, Any] = api.get(created.headers["location"]).json()
    assert found["state"] == "succeeded", found
    return found
