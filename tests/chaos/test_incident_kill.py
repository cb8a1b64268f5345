"""The scheduler dies, fails or falls asleep around the commit of an evaluation: one incident, and one message about it."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.chaos.test_scheduler_crash_points import ACTIONS, fails_at
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.services import Services, wait_until

pytestmark = pytest.mark.parametrize("action", ACTIONS)
COUNTS = "select (select count(*) from incident), (select count(*) from incident_event), (select count(*) from channel_event)"
LIVE = {"UPTILL_NOW_EVERY_S": "2"}


def prepare(url: str, conn: psycopg.Connection) -> None:
    """A store whose last two polls were inactive, a rule, and the channel that it tells."""
    now = datetime.now(UTC)
    load_fleet(url, {"a": Store([(now - timedelta(minutes=m), m > 12) for m in range(5, 65, 5)])})
    conn.execute(
        "insert into channel (name, kind, destination, shown, per_minute, attach)"
        """ values ('ops', 'webhook', '{"url": "http://127.0.0.1:9/"}', 'x', 20, true)"""
    )
    conn.execute(
        "insert into alert_rule (name, kind, labels, parameters, hold_open_minutes, delivery)"
        """ values ('down', 'store_down', '{}', '{}', 0, '{"channels": ["ops"]}')"""
    )


@pytest.mark.parametrize("name", ["incidents.before_commit", "incidents.after_commit"])
def test_one_incident_and_one_message(name: str, action: str, idle_services: Services) -> None:
    services, url = idle_services, idle_services.settings["UPTILL_DATABASE_URL"]
    services.settings.update(LIVE)
    services.worker()
    with psycopg.connect(url, autocommit=True) as conn:
        prepare(url, conn)
        fails_at(services, name, action)
        if action == "kill":
            committed = int(name.endswith("after_commit"))
            assert conn.execute(COUNTS).fetchone() == (committed,) * 3
        services.scheduler()
        wait_until(lambda: conn.execute(COUNTS).fetchone() == (1, 1, 1), "the incident")
        looked = "select evaluated_at from alert_evaluation"
        before = conn.execute(looked).fetchone()
        wait_until(lambda: conn.execute(looked).fetchone() != before, "another evaluation")
        assert conn.execute(COUNTS).fetchone() == (1, 1, 1)
