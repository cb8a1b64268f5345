"""The course of a failover of Postgres: services on several hosts, callers who write down what was acknowledged, and the count."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg

from services.local.ports import HOST, free_ports
from shared.db.migrate import migrate
from shared.keys import create_key
from tests.chaos.power.load import CALL_POLLS, START
from tests.chaos.soak.journal import read_journal
from tests.fixtures.logins import make_test_logins
from tests.fixtures.services import Services, answers, wait_until
from tests.fixtures.small_report import SmallFleet
from tests.fixtures.warm_start import Process

KINDS: Final = ("polls", "upload", "report")
_BACK_WITHIN_S = 120.0
_SETTINGS = {
    "UPTILL_RATE_REPORT": "100000/minute",
    "UPTILL_RATE_INGEST": "100000/minute",
    "UPTILL_MAX_OPEN_REPORTS": "100000",
    "UPTILL_MAX_QUEUE_AGE_S": "3600",
}


def prepare(url: str, env: Mapping[str, str], fleet: SmallFleet, directory: Path) -> dict[str, str]:
    """Fill the empty database of the owner's `url`, and return the settings of the services on it."""
    migrate(url)
    make_test_logins(url)
    fleet.load(url)
    with psycopg.connect(url) as conn:
        key = create_key(conn, name="test", scopes=["admin"])
    (ingest_port,) = free_ports(1)
    return {
        **env,
        **_SETTINGS,
        "UPTILL_DATABASE_URL": url,
        "UPTILL_API_KEY": key,
        "UPTILL_INGEST_URL": f"http://{HOST}:{ingest_port}",
        "UPTILL_SPOOL_DIR": str(directory / "spool"),
    }


def start_services(services: Services, settings: Mapping[str, str]) -> list[Process]:
    port = settings["UPTILL_INGEST_URL"].rpartition(":")[2]
    running = [
        services.api(),
        services.start("services.ingest.http", f"--port={port}"),
        services.scheduler(),
        services.worker(),
        services.worker(),
    ]
    wait_until(lambda: answers(f"{settings['UPTILL_INGEST_URL']}/readyz"), "the ingest service")
    return running


@contextmanager
def load(
    settings: Mapping[str, str], directory: Path, *, first: int = 0, pause_s: float = 0
) -> Iterator[None]:
    """Send live polls and uploads, and ask for reports, while the block runs; each `pause_s` after the one before."""
    command = [sys.executable, "-m", "tests.chaos.power.load", str(directory), str(first), f"{pause_s:g}"]
    with (directory / "load.log").open("ab") as log:
        caller = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
        try:
            yield
        finally:
            caller.kill()
            caller.wait()


def await_calls(directory: Path, *, more: int) -> None:
    """Wait until `more` further calls of each kind were acknowledged."""
    before = len(read_journal(directory / "load.jsonl"))

    def has_gone_on() -> bool:
        seen = [record["what"] for record in read_journal(directory / "load.jsonl")[before:]]
        return all(seen.count(what) >= more for what in KINDS)

    wait_until(has_gone_on, "calls that are acknowledged", within_s=_BACK_WITHIN_S, every_s=0.05)


def _have_succeeded(conn: psycopg.Connection, table: str, ids: Sequence[str]) -> bool:
    statement = f"select count(*) from {table} where id = any(%s::uuid[]) and state = 'succeeded'"
    return conn.execute(statement.encode(), [list(ids)]).fetchone() == (len(ids),)


def check(database_url: str, records: list[dict[str, Any]], *, within_s: float = _BACK_WITHIN_S) -> None:
    """Every acknowledged poll is stored; every accepted upload and report succeeds."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        for table, what in (("report", "report"), ("import", "upload")):
            ids = [record["id"] for record in records if record["what"] == what]
            wait_until(
                partial(_have_succeeded, conn, table, ids),
                f"every {what} that was accepted",
                within_s=within_s,
                every_s=0.2,
            )
        stored: dict[datetime, int] = dict(
            conn.execute(
                "select observed_at, count(*) from observation join store using (store_key)"
                " where starts_with(store_id, 'live-') group by 1"
            ).fetchall()
        )
    sent = [record["number"] for record in records if record["what"] == "polls"]
    assert sent
    missing = [n for n in sent if stored.get(START + timedelta(seconds=n), 0) != CALL_POLLS]
    assert missing == [], f"acknowledged calls whose polls are not all stored, of {len(sent)}"
