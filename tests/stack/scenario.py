"""What is done to the stack, step by step; every report's bytes are compared with the oracle's."""

import io
import time
from itertools import cycle, islice
from pathlib import Path

import httpx2

from services.sample import write_sample
from tests.fixtures.services import wait_until
from tests.oracle.report import expected_csv
from tests.stack.confinement import check_confinement, check_logs, database_users, memory_peaks
from tests.stack.drops import check_drops
from tests.stack.load import Load
from tests.stack.observability import check_metrics
from tests.stack.proxy import check_proxy
from tests.stack.stack import Stack
from tests.stack.summary import Summary

_STORES, _DAYS, _POLLS = 2600, 9, 200_000
_FILES = ("store_status.csv", "menu_hours.csv", "timezones.csv")
_CLIENTS = 4
_LOGINS = {f"uptill_{role}_login" for role in ("api", "ingest", "worker")}
SOON_S = 600.0  # a bound for what hangs, not a promise: the machine may be busy
_MB = 1_000_000


def run_scenario(stack: Stack, summary: Summary, folder: Path) -> None:
    """Run every step. Raises AssertionError, `CommandFailed` or `ApiError` at the first that does not hold."""
    _start(stack, summary)
    with summary.step("what the containers may do") as found:
        found.append(_check_rights(stack))

    sample = folder / "sample"
    write_sample(sample, stores=_STORES, days=_DAYS)
    with summary.step("ingest from a mounted folder") as found:
        stack.run_compose("run", "--rm", "-T", "--volume", f"{sample}:/data:ro", "load", "/data")
        polls = int(stack.sql("select count(*) from observation")[0])
        assert polls >= _POLLS, f"only {polls} polls"
        found.append(f"{polls:,} polls")
    scopes = [
        argument
        for scope in ("reports:read", "reports:write", "ingest:write")
        for argument in ("--scope", scope)
    ]
    key = stack.run_compose("run", "--rm", "-T", "keys", "create", "stack", *scopes).split()[-1]
    with summary.step("ingest over HTTP"):
        _upload_again(stack, key, sample / "timezones.csv")
    with summary.step("oracle: the report from the CSV files") as found:
        expected = expected_csv(*(sample / name for name in _FILES))
        found.append(f"{len(expected.splitlines()) - 1:,} stores")

    with summary.step("report, and its link from the host") as found:
        link = _report(stack, key, expected)
        found.append("bytes as the oracle's; without its signature 403")
    with Load(stack, key, expected, threads=_CLIENTS) as load:
        _shake(stack, load, summary)
    assert not load.failures, load.failures
    with summary.step("the load's reports") as found:
        found.append(
            f"{load.succeeded} succeeded, bytes as the oracle's; {load.refused} calls were told to wait"
        )
        (again,) = stack.sql("select count(*) from report_batch where attempt > 1")
        found.append(f"{again} batches were taken over")
        assert int(again) > 0, "the killed worker held nothing"

    with summary.step("the page behind TLS on one port, below a prefix") as found:
        found.append(check_proxy(stack, key))
    with summary.step("peak memory") as found:
        found += [f"{service} {peak / _MB:.0f} MB" for service, peak in sorted(memory_peaks(stack).items())]
    with summary.step("Prometheus, profile observability") as found:
        found.append(check_metrics(stack))
        found.append(f"{check_confinement(stack)} containers confined")

    _renew_passwords(stack, summary, key, expected)
    # It adds a store, which the oracle does not know.
    with summary.step("a file from an SFTP server") as found:
        found.append(check_drops(stack, folder / "sftp"))
    with summary.step("make demo-compose") as found:
        shown = stack.make("demo-compose", f"OUTPUT={folder / 'report.csv'}")
        found.append(shown.splitlines()[-1].replace(str(folder), ""))
    with summary.step("no secret in the logs") as found:
        found.append(f"{check_logs(stack, [link])} lines")


def _start(stack: Stack, summary: Summary) -> None:
    """Start as on a fresh clone, then with `make up`, which must keep every password."""
    with summary.step("build the images") as found:
        stack.run_compose("--profile", "observability", "--profile", "proxy", "build")
        found += [f"{name} {size / _MB:.0f} MB" for name, size in stack.image_sizes().items()]
    with summary.step("docker compose up alone"):
        stack.run_compose("up", "--detach", "--no-build")
        wait_until(lambda: is_ready(stack), "the API", within_s=SOON_S)
    with summary.step("make up changes no secret") as found:
        before = stack.secrets()
        stack.make("up")
        assert stack.secrets() == before
        found.append(f"{len(before)} secrets")


def _renew_passwords(stack: Stack, summary: Summary, key: str, expected: bytes) -> None:
    """Stop the stack, renew two passwords and start it again: the data stays, and only they change."""
    with summary.step("make down, new passwords, make up: the data stays") as found:
        stack.make("down")
        assert stack.containers(stopped=True) == []
        before = stack.secrets()
        stack.make("secrets", "ARGS=renew api_database_url redis_conf")
        renewed = before - stack.secrets()
        assert len(renewed) == 3, "a login, and a password in a file and in an address"
        stack.make("up")
        _report(stack, key, expected)
        found.append("bytes as the oracle's")


def is_ready(stack: Stack) -> bool:
    """Whether the API can take reports."""
    try:
        return httpx2.get(f"{stack.api_url}/readyz").is_success
    except httpx2.HTTPError:
        return False


def _check_rights(stack: Stack) -> str:
    containers = check_confinement(stack)
    wait_until(lambda: database_users(stack) == _LOGINS, "each service's own login", within_s=SOON_S)
    return f"{containers} containers; each service has its own login"


def _upload_again(stack: Stack, key: str, path: Path) -> None:
    """Upload a file that was loaded from the folder before: accepted, and changes nothing."""
    with httpx2.Client(base_url=stack.ingest_url, headers={"Authorization": f"Bearer {key}"}) as http:
        accepted = http.post(
            "/v1/imports",
            params={"name": path.name},
            content=path.read_bytes(),
            headers={"Content-Type": "text/csv"},
        )
        assert accepted.status_code == httpx2.codes.ACCEPTED, accepted.text
        wait_until(
            lambda: http.get(accepted.headers["Location"]).json()["state"] not in ("queued", "running"),
            "the import",
        )
        ended = http.get(accepted.headers["Location"]).json()
        assert ended["state"] == "succeeded", ended


def _report(stack: Stack, key: str, expected: bytes) -> str:
    """Make a report, open its link as a stranger, and return the link."""
    received = io.BytesIO()
    with stack.client(key) as client:
        *_, status = client.follow(client.create_report(force=True).id)
        assert status.state == "succeeded", status
        client.download(status.files[0], received)
    assert received.getvalue() == expected, "the report is not the oracle's"
    link: str = status.files[0].url
    unsigned = httpx2.get(link.partition("?")[0])
    assert unsigned.status_code == httpx2.codes.FORBIDDEN, f"without a signature: {unsigned.status_code}"
    return link


def _shake(stack: Stack, load: Load, summary: Summary) -> None:
    """Scale, kill and restart under load; each time reports must go on to succeed."""
    with summary.step("make scale WORKERS=4, under load") as found:
        stack.make("scale", "WORKERS=4")
        wait_until(lambda: len(_healthy_workers(stack)) == 4, "four healthy workers", within_s=SOON_S)
        wait_until(lambda: _workers_of_one_report(stack) == 4, "a report by four workers", within_s=SOON_S)
        found.append("one report was computed by all four")
    with summary.step("kill a worker that holds a batch") as found:
        stack.docker("kill", _worker_in_the_middle(stack))
        _more_reports(load)
        stack.make("scale", "WORKERS=4")
        wait_until(lambda: len(_healthy_workers(stack)) == 4, "four healthy workers again", within_s=SOON_S)
        found.append("its batches went to others")
    for server in ("redis", "postgres"):
        with summary.step(f"restart {server}, under load"):
            stack.run_compose("restart", server)
            _more_reports(load)


def _healthy_workers(stack: Stack) -> list[str]:
    return [container for container in stack.containers("worker") if stack.is_healthy(container)]


def _workers_of_one_report(stack: Stack) -> int:
    return int(
        stack.sql(
            "select coalesce(max(workers), 0) from"
            " (select count(distinct worker) as workers from report_batch group by report_id) as each"
        )[0]
    )


def _worker_in_the_middle(stack: Stack) -> str:
    """Freeze workers in turn until one stands still with a batch in its hands; returns its container."""
    for container in islice(cycle(stack.containers("worker")), 400):
        stack.docker("pause", container)
        held = _held_by(stack, container)
        time.sleep(0.2)  # what it sent before it froze has arrived by then
        if held & _held_by(stack, container):
            return container
        stack.docker("unpause", container)
    raise AssertionError("no worker was caught in the middle of a batch")


def _held_by(stack: Stack, container: str) -> set[str]:
    """The batches of a worker: its name begins with its container's id."""
    return set(
        stack.sql(
            "select report_id, batch_no, attempt from report_batch"
            f" where state = 'leased' and worker like '{container[:12]}%'"
        )
    )


def _more_reports(load: Load) -> None:
    """Wait until every client has had another report since now, or one has failed."""
    goal = load.succeeded + 2 * _CLIENTS
    wait_until(lambda: load.succeeded >= goal or load.failures, "more reports", within_s=SOON_S)
    assert not load.failures, load.failures
