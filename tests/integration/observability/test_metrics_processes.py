"""`/metrics` is right with several processes below one master, survives the one that serves it, and wants a key or a port."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx2
import psutil
import psycopg
import pytest

from shared.keys import create_key
from shared.metrics.processes import VARIABLE
from tests.fixtures.metrics import Samples, free_ports, on_port, parse, scrape, value
from tests.fixtures.services import Services, wait_until

PROCESSES = 2
REQUESTS = "uptill_http_request_duration_seconds_count"


@pytest.fixture
def port() -> Iterator[int]:
    with free_ports("metrics") as ports:
        yield ports["metrics"]


@pytest.fixture
def services(env: dict[str, str], tmp_path: Path) -> Iterator[Services]:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    with Services({**env, "TMPDIR": str(scratch), "UPTILL_BATCH_STORES": "1"}, tmp_path) as services:
        yield services


def reports_read(samples: Samples) -> float:
    return value(samples, REQUESTS, route="/v1/reports/{report_id}", method="GET", status="4xx") or 0


def ask(services: Services, path: str, *, key: str = "", **headers: str) -> httpx2.Response:
    bearer = {"Authorization": f"Bearer {key or services.settings['UPTILL_API_KEY']}"}
    return httpx2.get(services.settings["UPTILL_API_URL"] + path, headers=bearer | headers)


def unknown_report(services: Services, times: int) -> None:
    for number in range(
        times
    ):  # each on a connection of its own: the processes take turns as the kernel likes
        assert ask(services, f"/v1/reports/{number:032x}").status_code == 404


def test_all_processes_of_the_api_answer_as_one(services: Services, port: int) -> None:
    master = services.api(PROCESSES, **on_port(port))
    unknown_report(services, 40)
    wait_until(lambda: reports_read(scrape(port)) == 40, "every request counted")
    served = {reports_read(parse(ask(services, "/metrics").text)) for _ in range(10)}
    assert served == {40}
    holder = next(
        child
        for child in psutil.Process(master.pid).children()
        if any(one.laddr.port == port for one in child.net_connections() if one.status == psutil.CONN_LISTEN)
    )
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    wait_until(lambda: answers(port), "a sibling to take the port over")
    assert reports_read(scrape(port)) == 40
    unknown_report(services, 10)
    wait_until(lambda: reports_read(scrape(port)) == 50, "what was counted before and after")


def answers(port: int) -> bool:
    try:
        return bool(scrape(port))
    except httpx2.HTTPError:
        return False


def test_the_counters_of_a_master_that_ended_are_removed(services: Services, port: int) -> None:
    base = Path(services.settings["TMPDIR"]) / f"uptill-metrics-{os.getuid()}"
    first = services.api(PROCESSES, **on_port(port))
    (folder,) = base.iterdir()
    first.terminate()
    first.wait(60)
    second = services.api(PROCESSES, **on_port(port))
    assert [path.name.partition("-")[0] for path in base.iterdir()] == [str(second.pid)]
    assert not folder.exists()
    assert reports_read(scrape(port)) == 0


def test_a_process_that_stands_alone_needs_no_folder(services: Services, port: int) -> None:
    services.scheduler(**on_port(port))
    wait_until(lambda: answers(port), "the scheduler's port")
    assert list(Path(services.settings["TMPDIR"]).glob("uptill-metrics-*")) == []
    assert VARIABLE not in os.environ
    assert value(scrape(port), "uptill_reports", state="failed") == 0


def test_a_port_that_is_taken_costs_the_figures_and_not_the_service(services: Services) -> None:
    port = cast(int, httpx2.URL(services.settings["UPTILL_REDIS_URL"]).port)
    services.api(**on_port(port))
    assert ask(services, "/readyz").json()["status"] == "ok"
    assert services.logged("metrics_port_unusable")


def test_on_the_service_s_own_port_a_key_with_the_scope_is_needed(services: Services) -> None:
    services.api()
    with psycopg.connect(services.settings["UPTILL_DATABASE_URL"]) as conn:
        scraper = create_key(conn, name="scraper", scopes=["metrics:read"])
        other = create_key(conn, name="other", scopes=["reports:read"])
    url = f"{services.settings['UPTILL_API_URL']}/metrics"
    assert httpx2.get(url).status_code == 401
    assert ask(services, "/metrics", key=other).status_code == 403
    answer = ask(services, "/metrics", key=scraper)
    assert answer.headers["content-type"].startswith("text/plain")
    assert value(parse(answer.text), REQUESTS, route="/metrics", method="GET", status="4xx") == 2
