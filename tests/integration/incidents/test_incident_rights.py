"""The logins of the scheduler and the API may do what incidents need."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from services.scheduler.incidents.evaluate_due import evaluate_rules
from services.scheduler.retention import forget_incidents
from shared.db.connect import make_pool
from shared.errors import LimitReached
from shared.incidents.delivery import Delivery
from shared.incidents.stored import (
    MAX_NOTES,
    MOST_SHOWN,
    change_incident,
    get_incident,
    list_events,
    list_incidents,
    list_members,
)
from shared.incidents.stored_rules import remove_rule, set_rule
from shared.incidents.terms import RuleKind, RuleTerms
from shared.keys import EVERY_STORE
from tests.fixtures.logins import login_url


@pytest.mark.usefixtures("conn")
def test_the_scheduler_evaluates_and_the_api_does_the_rest(
    conn: psycopg.Connection, database_url: str, refresh: Callable[[], int]
) -> None:
    conn.execute(
        "insert into channel (name, kind, destination, shown, per_minute, attach)"
        " values ('ops', 'email', '{}', 'x', 20, true)"
    )
    refresh()
    as_api = login_url(database_url, "uptill_api")
    asyncio.run(_call(as_api, _set_rules))
    url = login_url(database_url, "uptill_worker")
    with make_pool(url, application_name="test", max_size=1) as pool:
        assert evaluate_rules(pool) == 2
        with pool.connection() as session:
            session.autocommit = True
            assert forget_incidents(session) == 0
    asyncio.run(_call(as_api, _look_after_incidents))
    assert conn.execute("select state from incident").fetchall() == [("resolved",)] * 2


async def _call(url: str, calls: Callable[[psycopg.AsyncConnection], Any]) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as session:
        await calls(session)


async def _set_rules(session: psycopg.AsyncConnection) -> None:
    for name, kind in (("down", RuleKind.STORE_DOWN), ("silent", RuleKind.STORE_SILENT)):
        await set_rule(session, name, RuleTerms(kind), Delivery(channels=["ops"]), by="abcdefgh")


async def _write_notes(session: psycopg.AsyncConnection) -> None:
    """The newest events are shown, and there is an end to notes."""
    incident, *_ = await list_incidents(session, EVERY_STORE, limit=1)
    await session.execute(
        "insert into incident_event (incident_id, at, kind, details)"
        " select %s, now(), 'joined', '{}' from generate_series(1, %s)",
        [incident.id, MOST_SHOWN],
    )
    for number in range(MAX_NOTES - 1):
        await change_incident(
            session, incident.id, EVERY_STORE, by="abcdefgh", acknowledged=False, note=f"{number}"
        )
    with pytest.raises(LimitReached, match="200 notes"):
        await change_incident(
            session, incident.id, EVERY_STORE, by="abcdefgh", acknowledged=False, note="one more"
        )
    events = await list_events(session, incident)
    assert len(events) == MOST_SHOWN
    assert [event.details["note"] for event in events[-2:]] == [f"{MAX_NOTES - 3}", f"{MAX_NOTES - 2}"]


async def _look_after_incidents(session: psycopg.AsyncConnection) -> None:
    for incident in await list_incidents(session, EVERY_STORE, limit=10):
        changed = await change_incident(
            session, incident.id, EVERY_STORE, by="abcdefgh", acknowledged=True, note="seen"
        )
        assert changed.state == "acknowledged"
        shown = await get_incident(session, incident.id, EVERY_STORE)
        assert await list_members(session, shown, EVERY_STORE) == []
        assert [event.kind for event in await list_events(session, shown)] == [
            "opened",
            "acknowledged",
            "noted",
        ]
    await _write_notes(session)
    for name in ("down", "silent"):
        await remove_rule(session, name, by="abcdefgh")
