"""The course of a loss of power: load, everything killed at once, everything started again, and what was acknowledged looked up."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import psycopg

from services.local.settings_file import service_environment
from tests.chaos.power.load import CALL_POLLS, FILE_POLLS, START
from tests.chaos.soak.journal import read_journal
from tests.fixtures.private_stack import PrivateStack, eventually, private_stack
from tests.integration.ingest.database import check_ledger

_CALLS_A_LOSS: Final = 100_000  # numbers of calls, so that each has polls of its own
_SHORTEST_S, _LONGEST_S = 0.3, 3.0
_PAUSE_S: Final = 0.1  # of a caller between two calls: all that was acknowledged is made afterwards
_MADE_WITHIN_S: Final = 120.0
_SETTINGS: Final = {
    "UPTILL_BATCH_STORES": "500",
    "UPTILL_RATE_REPORT": "100000/minute",
    "UPTILL_RATE_INGEST": "100000/minute",
    "UPTILL_MAX_OPEN_REPORTS": "100000",
    "UPTILL_NOW_EVERY_S": "2",
}


@dataclass(frozen=True)
class Options:
    """How often the power is lost, and the seed of the moments."""

    directory: Path
    losses: int
    seed: str


@dataclass
class Seen:
    """What was acknowledged, by kind, what of it was under way at a loss, and the promises that were broken."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    under_way: Counter[str] = field(default_factory=Counter)
    losses: int = 0
    breaches: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kept = ", ".join(f"{number} x {what}" for what, number in sorted(self.acknowledged.items()))
        open_ = ", ".join(f"{number} x {what}" for what, number in sorted(self.under_way.items()))
        lines = [f"{self.losses} losses; acknowledged: {kept}; under way at a loss: {open_}"]
        return "\n".join([*lines, *(f"BROKEN: {breach}" for breach in self.breaches)])


def lose_power(options: Options) -> Seen:
    """Run it all. Leaves no process behind."""
    draw, seen = random.Random(options.seed), Seen()
    with private_stack(options.directory, workers=2, settings=_SETTINGS) as stack:
        for loss in range(options.losses):
            stack.start(*stack.services)
            stack.await_ready(*stack.services)
            with _load(stack, options.directory, first=loss * _CALLS_A_LOSS):
                _await_calls(options.directory, seen, more=3)
                time.sleep(draw.uniform(_SHORTEST_S, _LONGEST_S))
                _kill_everything(stack)
            stack.start(*stack.servers)
            stack.await_ready(*stack.servers)
            seen.losses += 1
            _count_under_way(stack, seen)
        stack.start(*stack.services)
        stack.await_ready(*stack.services)
        _check(stack, options.directory, seen)
    return seen


@contextmanager
def _load(stack: PrivateStack, directory: Path, *, first: int) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.chaos.power.load", str(directory), str(first), f"{_PAUSE_S:g}"]
    with (directory / "load.log").open("ab") as log:
        caller = subprocess.Popen(command, env=service_environment(stack.settings), stdout=log, stderr=log)
        try:
            yield
        finally:
            caller.kill()
            caller.wait()


def _records(directory: Path) -> list[dict[str, Any]]:
    return read_journal(directory / "load.jsonl")


def _await_calls(directory: Path, seen: Seen, *, more: int) -> None:
    """Wait until so many more calls of each kind were acknowledged than at the loss before."""
    before = seen.acknowledged

    def have_come() -> bool:
        now = Counter(record["what"] for record in _records(directory))
        return all(now[what] >= before[what] + more for what in ("polls", "upload", "report"))

    eventually(have_come, f"acknowledged calls; see {directory / 'load.log'}")


def _kill_everything(stack: PrivateStack) -> None:
    names = [*stack.services, *stack.servers]
    for name in names:
        stack.signal(name, signal.SIGKILL)
    for name in names:
        eventually(partial(stack.has_ended, name), f"the end of {name}")


def _count_under_way(stack: PrivateStack, seen: Seen) -> None:
    directory = stack.directory
    seen.acknowledged = Counter(record["what"] for record in _records(directory))
    with psycopg.connect(stack.settings["UPTILL_DATABASE_URL"]) as conn:
        reports, imports = conn.execute(
            "select (select count(*) from report where kind = 'report' and state in ('queued', 'running')),"
            " (select count(*) from import where source <> 'live' and state in ('queued', 'running', 'interrupted'))"
        ).fetchall()[0]
    seen.under_way.update({"report": reports, "upload": imports})


def _check(stack: PrivateStack, directory: Path, seen: Seen) -> None:
    records = _records(directory)
    reports = [record["id"] for record in records if record["what"] == "report"]
    uploads = [record["id"] for record in records if record["what"] == "upload"]
    with psycopg.connect(stack.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:

        def is_done() -> bool:
            ((left,),) = conn.execute(
                "select (select count(*) from report where id = any(%s::uuid[]) and state in ('queued', 'running'))"
                " + (select count(*) from import where id = any(%s::uuid[]) and finished_at is null)",
                [reports, uploads],
            ).fetchall()
            return int(left) == 0

        eventually(is_done, "the ends of what was accepted", _MADE_WITHIN_S)
        for table, ids in (("report", reports), ("import", uploads)):
            ((kept,),) = conn.execute(
                f"select count(*) from {table} where id = any(%s::uuid[]) and state = 'succeeded'".encode(),
                [ids],
            ).fetchall()
            if kept != len(ids):
                seen.breaches.append(
                    f"{len(ids) - kept} of {len(ids)} of table {table} are lost or did not succeed"
                )
        _check_polls(conn, records, seen)
    _check_files(stack, reports, seen)
    check_ledger(stack.settings["UPTILL_DATABASE_URL"])


def _check_polls(conn: psycopg.Connection, records: list[dict[str, Any]], seen: Seen) -> None:
    stored = {
        (kind, at): number
        for kind, at, number in conn.execute(
            "select split_part(store_id, '-', 1), observed_at, count(*) from observation join store using (store_key)"
            " group by split_part(store_id, '-', 1), observed_at"
        )
    }
    for what, kind, wanted in (("polls", "live", CALL_POLLS), ("upload", "file", FILE_POLLS)):
        for number in (record["number"] for record in records if record["what"] == what):
            found = stored.get((kind, START + timedelta(seconds=number)), 0)
            if found != wanted:
                seen.breaches.append(f"{kind} {number}: {found} of {wanted} acknowledged polls are there")


def _check_files(stack: PrivateStack, reports: list[str], seen: Seen) -> None:
    """Every link leads to a whole file."""
    headers = {"Authorization": f"Bearer {stack.settings['UPTILL_API_KEY']}"}
    with httpx2.Client(base_url=stack.settings["UPTILL_API_URL"], headers=headers, timeout=30) as client:
        for report_id in reports:
            (file, *_) = client.get(f"/v1/reports/{report_id}").json()["files"]
            if len(httpx2.get(file["url"]).content) != file["size_bytes"]:
                seen.breaches.append(f"the file of report {report_id} is not whole")
