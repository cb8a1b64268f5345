"""The pages for people, one request at a time: how long each takes, what it costs, and how many bytes a first view has.

CPU is that of the API and of its sessions in Postgres. It hardly depends on what else the machine does; the time does.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from statistics import quantiles

import httpx2
import psutil
import psycopg

from bench.figures import Figure, Target
from bench.stand import Stand
from tests.fixtures.page import form_token
from tests.fixtures.services import Services, wait_until

_REGIONS = 20
_MAKE_LABELS = "update store set labels = labels || jsonb_build_object('bench', 'r' || store_key %% %s)"
_REQUESTS = 20
_FACT_DAYS = 60
_ENDED_INCIDENTS = 20_000
_ADD_ENDED = (
    "insert into incident (id, rule, kind, subject, store_key, labels, state, opened_at, proved_at, since_latest, ended_at, evidence)"
    " select gen_random_uuid(), 'bench', 'store_silent', '', (select min(store_key) from store), '{}', 'resolved', at, at, at, at, '{}'"
    " from (select clock_timestamp() - n * interval '1 minute' as at from generate_series(1, %s) n) made"
)
_OPENED = "select count(*) > 0 from incident where state = 'open'"
_LIVE = "select (select count(*) from store_now) >= (select count(*) from store where polled_since_seq is not null)"
_SESSIONS = "select pid from pg_stat_activity where datname = current_database() and application_name like 'uptill-api%'"
_WITHIN_S = 600.0
_MOST_MS, _MOST_BYTES = 150, 150_000
_FILES = re.compile(r'(?:src|href)="\./(assets/[^"]+)"')


def run_pages(stand: Stand, rounds: int) -> Sequence[Figure]:
    """Sign in once live state is there, then ask for each page in turn."""
    with psycopg.connect(stand.database_url, autocommit=True) as conn:
        conn.execute(_MAKE_LABELS, [_REGIONS])
        conn.execute("vacuum analyze store")
        row = conn.execute("select min(store_id) from store where polled_since_seq is not null").fetchone()
    assert row is not None
    pages: Mapping[str, str] = {
        "now": "/",
        "now, squares of a group": "/?q=bench%3Dr1",
        "now, a list": "/?state=silent",
        "stores": "/stores",
        "a store": f"/stores/{row[0]}",
        "reports": "/reports",
        "fleet": "/fleet",
        "fleet, by label": "/fleet?by=bench",
        "insights": "/insights",
        "insights, a group": "/insights?q=bench%3Dr1",
        "incidents": "/incidents",
        "outages of an evening, a group": "/outages?part=evening&q=bench%3Dr1",
    }
    with _signed_in(stand) as bench:
        first = Figure("fleet, first look", "ms", [_time_ms(bench.browser, "/fleet")])
        figures = [figure for name, path in pages.items() for figure in _measure(bench, name, path, rounds)]
        figures += _measure(bench, "an incident", f"/incidents/{bench.incident}", rounds)
        figures.append(first)
        size = _bytes(bench.browser, "/")
    return [*figures, Figure("now, first view", "bytes", [size], target=Target("<=", _MOST_BYTES))]


@dataclass(frozen=True)
class _Bench:
    """A browser that signed in, and the processes whose CPU counts."""

    browser: httpx2.Client
    processes: Sequence[psutil.Process]
    incident: str

    def cpu_s(self) -> float:
        times = [each.cpu_times() for each in self.processes if each.is_running()]
        return sum(each.user + each.system for each in times)


def _measure(bench: _Bench, name: str, path: str, rounds: int) -> Iterator[Figure]:
    _p95_ms(bench.browser, path)  # opens connections and fills caches
    times, costs = [], []
    for _ in range(rounds):
        began_s = bench.cpu_s()
        times.append(_p95_ms(bench.browser, path))
        costs.append(1000 * (bench.cpu_s() - began_s) / _REQUESTS)
    yield Figure(f"{name}, p95", "ms", times, target=Target("<=", _MOST_MS))
    yield Figure(f"{name}, CPU", "ms", costs, target=Target("<=", _MOST_MS))


@contextmanager
def _signed_in(stand: Stand) -> Iterator[_Bench]:
    """Yield a browser that signed in, when every store has its live state, and there are facts and incidents."""
    with Services({**stand.env, "UPTILL_NOW_EVERY_S": "60"}, stand.folder / "logs", warm=False) as services:
        api = services.api()
        services.scheduler()
        services.worker()
        with psycopg.connect(stand.database_url, autocommit=True) as conn:
            wait_until(lambda: conn.execute(_LIVE).fetchone() == (True,), "live state", within_s=_WITHIN_S)
            _build_facts(conn, services)
            _conclude_insights(conn, services)
            incident = _open_incidents(conn, services)
            conn.execute(
                "vacuum analyze store_now, incident, incident_event"
            )  # as autovacuum does within a minute
            sessions = [psutil.Process(pid) for (pid,) in conn.execute(_SESSIONS)]
        url = services.settings["UPTILL_API_URL"]
        with httpx2.Client(base_url=url, headers={"Accept": "text/html"}) as browser:
            token = form_token(browser.get("/sign-in").text)
            key = services.settings["UPTILL_API_KEY"]
            browser.post("/sign-in", data={"form_token": token, "key": key})
            yield _Bench(browser, [psutil.Process(api.pid), *sessions], incident)


def _build_facts(conn: psycopg.Connection, services: Services) -> None:
    """Compute the facts that the fleet's page shows."""
    row = conn.execute("select latest_observed_at::date from ledger_head").fetchone()
    assert row is not None
    first, last = (row[0] - timedelta(days=days) for days in (_FACT_DAYS, 3))
    with services.client() as client:
        *_, job = client.follow_facts(client.build_facts(first, last).id, every_s=0.2)
    assert job.state == "succeeded", job
    conn.execute("vacuum (analyze) store_day, store_day_mark")


def _conclude_insights(conn: psycopg.Connection, services: Services) -> None:
    """Run insights, so that the page shows risks and findings."""
    with services.client() as client:
        *_, run = client.follow_insight_run(client.run_insights().id, every_s=0.2)
    assert run.state == "succeeded", run
    conn.execute("vacuum (analyze) store_hours, store_risk, insight_finding")


def _open_incidents(conn: psycopg.Connection, services: Services) -> str:
    """Have an incident for each silent store of a group, beside many that have ended. Return the id of one."""
    conn.execute("delete from incident")
    conn.execute(_ADD_ENDED, [_ENDED_INCIDENTS])
    with services.client() as client:
        client.set_alert_rule("bench", "store_silent", labels={"bench": "r1"})
    wait_until(lambda: conn.execute(_OPENED).fetchone() == (True,), "incidents", within_s=_WITHIN_S)
    row = conn.execute("select min(id::text) from incident where state = 'open'").fetchone()
    assert row is not None
    return str(row[0])


def _p95_ms(browser: httpx2.Client, path: str) -> float:
    return quantiles([_time_ms(browser, path) for _ in range(_REQUESTS)], n=_REQUESTS)[-1]


def _time_ms(browser: httpx2.Client, path: str) -> float:
    started = time.perf_counter()
    answer = browser.get(path, timeout=_WITHIN_S)
    took_ms = 1000 * (time.perf_counter() - started)
    assert answer.status_code == 200, (path, answer.status_code)
    return took_ms


def _bytes(browser: httpx2.Client, path: str) -> float:
    """Return the bytes that a browser without any of the files receives."""
    answer = browser.get(path)
    files = [browser.get(f"/{file}") for file in _FILES.findall(answer.text)]
    return sum(int(each.headers["content-length"]) for each in [answer, *files])
