"""Series from daily facts: a month of all stores by label, the ten stores with the lowest availability, one store's year."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import psycopg

from bench.figures import Figure, Target
from bench.stand import Stand
from tests.fixtures.services import Services
from uptill_client import UptillClient

_DAYS = 31
_REGIONS = 20
_MAKE_LABELS = "update store set labels = labels || jsonb_build_object('bench', 'r' || store_key %% %s)"
_TARGETS = {"a month by label and day": 300, "one store's year by day": 50}


def run_series(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Compute the facts of the month before the newest poll, then ask for series as a single caller."""
    with psycopg.connect(stand.database_url) as conn:
        conn.execute(_MAKE_LABELS, [_REGIONS])
        row = conn.execute(
            "select latest_observed_at::date, min(store_id) from ledger_head, store group by 1"
        ).fetchone()
        conn.execute("analyze store")
    assert row is not None
    last, store_id = row[0] - timedelta(days=3), row[1]
    month = last - timedelta(days=_DAYS - 1), last
    year = last - timedelta(days=364), last
    with Services(stand.env, stand.folder / "logs", warm=False) as services:
        services.api()
        services.scheduler()
        services.worker()
        with services.client() as client:
            *_, job = client.follow_facts(client.build_facts(*month).id, every_s=0.2)
            assert job.state == "succeeded"
            asked: Mapping[str, tuple[Any, dict[str, Any]]] = {
                "a month by label and day": (month, {"group": "label:bench"}),
                "a month by label, beside the one before": (
                    month,
                    {"group": "label:bench", "by": "month", "compare": "previous"},
                ),
                "ten stores of a month, the lowest first": (
                    month,
                    {"group": "store", "by": "month", "order": "lowest"},
                ),
                "one store's year by day": (year, {"store_ids": [store_id]}),
            }
            return [
                Figure(name, "ms", [_time_ms(client, *each) for _ in range(rounds)], target=_target(name))
                for name, each in asked.items()
            ]


def _time_ms(client: UptillClient, window: Any, options: dict[str, Any]) -> float:
    started = time.perf_counter()
    client.series(window, **options)
    return 1000 * (time.perf_counter() - started)


def _target(name: str) -> Target | None:
    return Target("<=", _TARGETS[name]) if name in _TARGETS else None
