"""Counts what happened during a soak, so that one in which nothing happened proves nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

import psycopg

from tests.chaos.soak.check import Records
from tests.chaos.soak.faults import Tormentor


def count_happenings(
    conn: psycopg.Connection, told: Records, late: Records, events: Mapping[str, Sequence[str]]
) -> dict[str, int]:
    """By the database, the clients' journals and the services' logs."""
    states = conn.execute("select state, count(*) from report group by state order by state").fetchall()
    facts = conn.execute("select count(*)::int from store_day").fetchone() or (0,)
    rounds = conn.execute("select coalesce(sum(round), 0)::int from report_batch").fetchone() or (0,)
    clients = Counter(
        f"client {record['what']}" for record in chain(told, late) if record["what"] != "answer"
    )
    answers = Counter(f"HTTP {record['status']}" for record in told if record["what"] == "answer")
    return {
        **{f"reports {state}": count for state, count in states},
        **dict(sorted(clients.items())),
        **dict(sorted(answers.items())),
        "days of facts": facts[0],
        "leases expired": sum(map(int, events["leases_expired"])),
        "messages published again": sum(map(int, events["republished"])),
        "batches released after an outage": len(events["batch_released"]),
        "batches read again for one data cut": rounds[0],
        "reports that failed on the way": len(events["report_failed"]),
        "batches that came too late": len(events["lease_lost"]),
        "times that damaged parts were found": len(events["parts_lost"]),
        "weeks sealed": len(events["week_sealed"]),
        "weeks opened": len(events["week_opened"]),
    }


def api_waits_s(tormentor: Tormentor, told: Records) -> list[float]:
    """From each start of the API or of Postgres until a client got its next 202."""
    answered = [record["at"] for record in told if record["what"] == "told"]
    next_ones = [
        (back, min((at for at in answered if at > back), default=None))
        for name, back in tormentor.returns
        if name in {"api", "postgres"}
    ]
    return [at - back for back, at in next_ones if at is not None]
