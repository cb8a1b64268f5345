"""What an evaluation of `group_down` with `by: "*"` costs on a large fleet, with nothing down and with outages of groups.

Half of the stores that are down belong to whole franchises, the others are scattered. CPU of this process and of its session.
"""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
from psycopg.types.json import Jsonb

from bench.figures import Figure, Target
from bench.now import cpu_s
from bench.own_database import make_database
from bench.stand import Stand
from services.scheduler.incidents.evaluate_due import evaluate_at
from shared.clock import to_us
from shared.incidents.terms import RuleKind, RuleTerms

_DATABASE: Final = "uptill_bench_groups"
_FRANCHISE: Final = 25
_IDLE_MS, _BUSY_MS = 50, 1_000
_ROUNDS: Final = 3
_STORES: Final = """
insert into store (store_id, labels, polled_since_seq)
select number::text, jsonb_build_object('franchise', (number / 25)::text, 'region', (number / 1000)::text, 'brand',
    (number %% 12)::text), 1 from generate_series(0, %s - 1) number
"""
_LIVE: Final = """
insert into store_now (store_key, batch_no, state, since_earliest, since_latest, last_poll_at, day_from, counted_at, up_us, down_us,
    down_open_us, inactive_polls, usual_gap_us, digest)
select store_key, 1, 'up', now() - interval '1 day', now() - interval '1 day', now(), now(), now(), 0, 0, 0, 0, 3600000000, 0
from store
"""
_DOWN: Final = """
update store_now set state = 'down', since_earliest = now() - interval '70 minutes', since_latest = now() - interval '10 minutes',
    inactive_polls = 1
where store_key in (select store_key from store where store_id = any(%s))
"""
_RULE: Final = """
insert into alert_rule (name, kind, labels, parameters, hold_open_minutes, delivery)
values ('any', 'group_down', '{}', %s, 5, '{"channels": []}')
"""


def run_groups(stand: Stand) -> Sequence[Figure]:
    """Measure evaluations with nothing down, with 1 % and with 10 % of the stores down."""
    url, stores = make_database(stand, _DATABASE), stand.fleet.stores
    what = f'`by: "*"`, {stores:,} stores'
    with psycopg.connect(url, autocommit=True) as conn, psycopg.connect(url, autocommit=True) as evaluator:
        terms = RuleTerms(RuleKind.GROUP_DOWN, {}, {"by": "*", "false_alarms_per_year": 10}, 5)
        conn.execute(_STORES, [stores])
        conn.execute(_LIVE)
        conn.execute(_RULE, [Jsonb(dict(terms.parameters))])
        conn.execute("insert into outage_rate (label_name, label_value, per_hour) values ('', '', 0.01)")
        conn.execute("vacuum (analyze) store, store_now")
        now = datetime.now(UTC)
        nothing = [_evaluate_ms(conn, evaluator, now) for _ in range(_ROUNDS)]
        found = [Figure(f"{what}, nothing down, CPU", "ms", nothing, target=Target("<=", _IDLE_MS))]
        for percent in (1, 10):
            opening, after = [], []
            for _ in range(_ROUNDS):
                _strike(conn, stores, stores * percent // 100)
                opening.append(_evaluate_ms(conn, evaluator, now))
                after.append(_evaluate_ms(conn, evaluator, now + timedelta(minutes=1)))
            ((incidents,),) = conn.execute("select count(*) from incident").fetchall()
            found += [
                Figure(
                    f"{what}, {percent} % down: {incidents} incidents open, CPU",
                    "ms",
                    opening,
                    target=Target("<=", _BUSY_MS),
                ),
                Figure(
                    f"{what}, {percent} % down: a minute later, CPU",
                    "ms",
                    after,
                    target=Target("<=", _BUSY_MS),
                ),
            ]
    return found


def _strike(conn: psycopg.Connection, stores: int, down: int) -> None:
    """Begin again with this many stores down."""
    conn.execute("truncate incident cascade")
    conn.execute(
        "update store_now set state = 'up', since_earliest = now() - interval '1 day', since_latest = since_earliest"
    )
    franchises = random.Random(down).sample(range(stores // _FRANCHISE), down // 2 // _FRANCHISE)
    struck = {number * _FRANCHISE + place for number in franchises for place in range(_FRANCHISE)}
    struck.update(random.Random(stores).sample(range(stores), down - len(struck)))
    conn.execute(_DOWN, [[str(number) for number in struck]])
    conn.execute("vacuum (analyze) store_now")


def _evaluate_ms(conn: psycopg.Connection, evaluator: psycopg.Connection, now: datetime) -> float:
    def evaluate() -> None:
        with evaluator.transaction():
            evaluate_at(evaluator, to_us(now))

    return 1_000 * cpu_s(conn, evaluate)
