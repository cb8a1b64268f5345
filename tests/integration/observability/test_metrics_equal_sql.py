"""Promise 22: after imports, reports, retries and a lost lease, every figure is what SQL says, to the last digit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.ingest.run import ingest_paths
from services.sample import write_sample
from shared.failpoints import CONFIRMATION
from shared.metrics.looked_up import FACTS, SLOW_FACTS
from shared.metrics.registry import REGISTRY
from tests.fixtures.metrics import Samples, by_label, free_ports, on_port, scrape, value
from tests.fixtures.services import Services, wait_until

LEASE_S = 1.5
ATTEMPTS = "select sum(attempt) from report_batch"
STAGE = "uptill_batch_stage_duration_seconds_count"
REQUESTS = "uptill_http_request_duration_seconds_count"


@pytest.fixture
def ports() -> Iterator[dict[str, int]]:
    with free_ports("api", "scheduler", "careless", "slow", "good") as ports:
        yield ports


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


def load(database_url: str, folder: Path) -> None:
    """Polls, some of them twice, some corrected, some bad; a file that stops; one that is none."""
    write_sample(folder, stores=40, days=9)
    ingest_paths(database_url, [str(folder)])
    lines = (folder / "store_status.csv").read_text().splitlines(keepends=True)
    again = folder / "again.csv"
    again.write_text(
        "".join(
            [
                *lines[:50],
                lines[1].replace("inactive", "?").replace("active", "inactive").replace("?", "active"),
                "x,y,z\n",
            ]
        )
    )
    nonsense = folder / "nonsense.csv"
    nonsense.write_text(lines[0] + "a,b,c\n" * 20)
    empty = folder / "empty.csv"
    empty.write_text("")
    for path in (again, nonsense, empty):
        ingest_paths(database_url, [str(path)])


def make_reports(services: Services, ports: dict[str, int]) -> None:
    """Three or more succeed, after a batch that failed and one whose worker slept past its lease."""
    with services.client() as client:
        for name, action in (("careless", "load.after=raise"), ("slow", f"upload.after=sleep:{LEASE_S + 1}")):
            failing = {"UPTILL_FAILPOINTS": action, "UPTILL_FAILPOINTS_CONFIRM": CONFIRMATION}
            services.worker(**failing, **on_port(ports[name]))
            while not services.logged(f'"failpoint": "{action.partition("=")[0]}"'):  # until it gets a batch
                *_, ended = client.follow(client.create_report(force=True).id)
                assert ended.state == "succeeded", ended.error
        services.worker(**on_port(ports["good"]))
        *_, ended = client.follow(client.create_report(force=True).id)
        assert ended.state == "succeeded"


def one(conn: psycopg.Connection, query: str) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0]


def pairs(conn: psycopg.Connection, query: str) -> dict[Any, Any]:
    return dict(conn.execute(query).fetchall())


def test_the_metrics_equal_sql(
    env: dict[str, str], conn: psycopg.Connection, ports: dict[str, int], tmp_path: Path
) -> None:
    load(env["UPTILL_DATABASE_URL"], tmp_path)
    quick = {"UPTILL_LEASE_S": str(LEASE_S), "UPTILL_SWEEP_S": "0.2", "UPTILL_REPUBLISH_S": "1"}
    with Services({**env, **quick, "UPTILL_BATCH_STORES": "10"}, tmp_path) as services:
        services.api(**on_port(ports["api"]))
        services.scheduler(**on_port(ports["scheduler"]))
        make_reports(services, ports)
        wait_until(lambda: one(conn, "select count(*) from report where state = 'running'") == 0, "the end")
        wait_until(lambda: ended_in(ports["slow"], "lost"), "the slow worker to see that it is too late")
        set_level(services, ports["scheduler"])
        facts = fresh_facts(conn, ports["scheduler"])
        wait_until(lambda: ended_attempts(workers(ports)) == one(conn, ATTEMPTS), "the one that overslept")
        check_facts(facts, conn)
        check_events(facts, workers(ports), scrape(ports["api"]), conn)


def set_level(services: Services, port: int) -> None:
    """Metrics of service levels are there once a level is evaluated."""
    with services.client() as client:
        client.set_service_level("fleet", 0.9)
        client.await_service_level("fleet")
    wait_until(lambda: value(scrape(port), "uptill_service_level_age_seconds", level="fleet"), "the level")


def ended_in(port: int, result: str) -> float | None:
    return value(scrape(port), "uptill_batches_ended_total", result=result)


def fresh_facts(conn: psycopg.Connection, port: int) -> Samples:
    """A scrape that looked after the last change: facts may be seconds old."""
    succeeded = one(conn, "select count(*) from report where state = 'succeeded'")
    wait_until(lambda: value(scrape(port), "uptill_report_latency_seconds_count") == succeeded, "fresh facts")
    return scrape(port)


def check_facts(facts: Samples, conn: psycopg.Connection) -> None:
    """Everything that Postgres knows, by statements of this test's own."""
    shown = {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name, _ in facts}
    assert {fact.name for fact in (*FACTS, *SLOW_FACTS)} <= shown
    states = by_label(facts, "uptill_reports", "state")
    assert {state: n for state, n in states.items() if n} == pairs(
        conn, "select state, count(*) from report group by 1"
    )
    assert sum(by_label(facts, "uptill_batches", "state").values()) == 0
    assert value(facts, "uptill_due_batches") == 0
    assert value(facts, "uptill_oldest_due_batch_age_seconds") == 0
    assert value(facts, "uptill_oldest_open_report_age_seconds") == 0
    latencies = [
        float(seconds)
        for (seconds,) in conn.execute(
            "select extract(epoch from finished_at - created_at) from report where state = 'succeeded'"
        )
    ]
    assert value(facts, "uptill_report_latency_seconds_sum") == pytest.approx(sum(latencies))
    for bound in REGISTRY.metrics["uptill_report_latency_seconds"].buckets:
        count = sum(seconds <= bound for seconds in latencies)
        assert value(facts, "uptill_report_latency_seconds_bucket", le=str(bound)) == count
    assert imports_shown(facts, "uptill_imports_total", "result") == pairs(
        conn, "select (coalesce(kind, 'unknown'), state)::text, count(*) from import group by 1"
    )
    rows = imports_shown(facts, "uptill_import_rows_total", "outcome")
    for outcome in ("accepted", "duplicate", "corrected", "rejected"):
        counted = sum(n for pair, n in rows.items() if pair.endswith(f",{outcome})"))
        assert counted == one(conn, f"select sum({outcome}) from import") > 0
    assert sum(rows.values()) == one(conn, "select sum(rows_read) from import")
    assert value(facts, "uptill_stores") == one(conn, "select count(distinct store_key) from observation")
    assert value(facts, "uptill_silent_stores") == one(
        conn,
        "select count(*) from (select store_key from observation group by 1 having max(observed_at) <="
        " (select max(observed_at) from observation) - interval '3 hours') silent",
    )
    age_s = one(
        conn, "select extract(epoch from clock_timestamp() - max(observed_at))::float8 from observation"
    )
    assert value(facts, "uptill_newest_poll_age_seconds") == pytest.approx(age_s, abs=60)
    assert by_label(facts, "uptill_source_up", "source") == {"postgres": 1, "redis": 1}


def imports_shown(facts: Samples, name: str, label: str) -> dict[str, float]:
    return {
        f"({dict(labels)['kind']},{dict(labels)[label]})": number
        for (other, labels), number in facts.items()
        if other == name and number
    }


def workers(ports: dict[str, int]) -> list[Samples]:
    return [scrape(ports[name]) for name in ("careless", "slow", "good")]


def ended_attempts(workers: list[Samples]) -> float:
    return sum(sum(by_label(worker, "uptill_batches_ended_total", "result").values()) for worker in workers)


def check_events(scheduler: Samples, workers: list[Samples], api: Samples, conn: psycopg.Connection) -> None:
    """What processes counted, where SQL can tell: attempts, what became of them, leases, requests."""

    def counted(name: str, **labels: str) -> float:
        return sum(value(worker, name, **labels) or 0 for worker in workers)

    attempts = one(conn, ATTEMPTS)
    done = one(conn, "select count(*) filter (where state = 'done') + sum(round) from report_batch")
    lost = value(scheduler, "uptill_leases_expired_total") or 0
    assert counted("uptill_batches_claimed_total") == attempts
    assert counted("uptill_batches_ended_total", result="done") == done
    assert counted("uptill_batches_ended_total", result="lost") == lost > 0
    assert counted("uptill_batches_ended_total", result="failed") == 1
    assert attempts == done + lost + 1
    assert done < counted(STAGE, stage="complete") <= done + lost  # the one that was too late got there
    assert counted(STAGE, stage="load") == attempts
    assert counted("uptill_finalisations_claimed_total") == one(
        conn, "select sum(finalise_attempt) from report"
    )
    reports = one(conn, "select count(*) from report where state = 'succeeded'")
    assert counted("uptill_finalisations_ended_total", result="done") == reports
    made = value(api, REQUESTS, route="/v1/reports", method="POST", status="2xx")
    assert made == one(conn, "select count(*) from report")
    published = value(api, "uptill_wakes_total", result="published")
    assert published == one(conn, "select count(*) from report_batch") + 1  # and one for the level
