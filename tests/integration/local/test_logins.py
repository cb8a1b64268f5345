"""`uptill up` as a whole: each service has its own login, which suffices for a report, and a killed Postgres heals."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil
import psycopg
import pytest

from services.local.ports import free_ports
from services.local.settings_file import read_settings
from tests.fixtures.services import wait_until
from uptill_client import UptillClient

LOGINS = {
    "services.api": "uptill_api_login",
    "services.ingest.http": "uptill_ingest_login",
    "services.scheduler": "uptill_worker_login",
    "services.worker": "uptill_worker_login",
}


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """The folder of a running stack."""
    folder = tmp_path / "data"
    api, ingest = free_ports(2)
    options = [f"--data={folder}", f"--port={api}", f"--ingest-port={ingest}", "--workers=1"]
    with (tmp_path / "output").open("wb") as output:
        stack = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "up", *options], stdout=output, stderr=output
        )
    try:
        wait_until(lambda: stack.poll() is not None or (folder / "ready").exists(), "the stack", within_s=180)
        assert stack.poll() is None, (tmp_path / "output").read_text()
        yield folder
    finally:
        stack.send_signal(signal.SIGTERM)
        assert stack.wait(90) == 0


def test_each_service_has_its_own_login_and_a_killed_database_heals(data: Path, tmp_path: Path) -> None:
    settings = read_settings(data / "env")
    environments = _environments(data)
    assert {
        name: urlsplit(env["UPTILL_DATABASE_URL"]).username for name, env in environments.items()
    } == LOGINS
    passwords = {urlsplit(env["UPTILL_DATABASE_URL"]).password for env in environments.values()}
    assert len(passwords) == 3
    owner = settings["UPTILL_DATABASE_URL"]
    for env in environments.values():
        assert "UPTILL_API_KEY" not in env
        assert str(urlsplit(owner).password) not in " ".join(env.values())

    _command(data, "sample", str(tmp_path / "sample"), "--stores", "20", "--days", "8")
    _command(data, "ingest", str(tmp_path / "sample"))
    with UptillClient(settings["UPTILL_API_URL"], settings["UPTILL_API_KEY"]) as client:
        assert _report(client) == "succeeded"
        with psycopg.connect(owner) as conn:
            users = conn.execute(
                "select distinct usename from pg_stat_activity where application_name like 'uptill-%'"
            ).fetchall()
        assert {user for (user,) in users} == set(LOGINS.values())
        _postmaster(data).kill()
        wait_until(lambda: not (data / "ready").exists(), "the file to go")
        wait_until((data / "ready").exists, "the file to come back", within_s=120)
        assert "postgres is back after" in " ".join((tmp_path / "output").read_text().split())
        wait_until(lambda: _is_ready(settings["UPTILL_API_URL"]), "the API's new connections")
        assert _report(client) == "succeeded"
    _command(data, "doctor")
    assert set(_environments(data)) == set(LOGINS)
    assert [log.name for log in (data / "logs").glob("*.log") if "permission denied" in log.read_text()] == []


def _report(client: UptillClient) -> str:
    *_, ended = client.follow(client.create_report(force=True).id)
    return str(ended.state)


def _is_ready(api_url: str) -> bool:
    try:
        return httpx2.get(f"{api_url}/readyz", timeout=10).is_success
    except httpx2.HTTPError:
        return False


def _command(data: Path, *arguments: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        env={**os.environ, "UPTILL_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _environments(data: Path) -> dict[str, dict[str, str]]:
    """The environment of each service's process, by module."""
    owner = psutil.Process(int((data / "ready").read_text()))
    return {
        module: child.environ()
        for child in owner.children()
        for module in LOGINS
        if module in child.cmdline()
    }


def _postmaster(data: Path) -> psutil.Process:
    return psutil.Process(int((data / "postgres" / "postmaster.pid").read_text().partition("\n")[0]))
