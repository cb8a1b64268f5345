"""The course of a soak: load, torment, heal, wait, check."""

import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg

from services.ingest.run import ingest_paths
from services.local.settings_file import service_environment
from services.sample import write_sample
from shared.settings import Settings
from shared.storage import Storage, make_storage
from tests.chaos.soak.check import check_soak
from tests.chaos.soak.ending import ask_to_end
from tests.chaos.soak.faults import Tormentor
from tests.chaos.soak.figures import check_figures
from tests.chaos.soak.happenings import api_waits_s, count_happenings
from tests.chaos.soak.journal import read_journal
from tests.chaos.soak.leases import LeaseWatch
from tests.chaos.soak.outcome import Outcome, logged
from tests.chaos.soak.plan import PARTS, Fault, plan
from tests.chaos.soak.sealing import end_rest, open_all, write_old_polls
from tests.fixtures.private_stack import PrivateStack, private_stack
from tests.oracle.report import rows_of

STORES, DAYS, BATCH_STORES = 24, 9, 6
MAX_ATTEMPTS = 3  # few, so that kills make some reports fail, which are then tried again
SETTINGS = {
    "UPTILL_LEASE_S": "3",
    "UPTILL_SWEEP_S": "0.5",
    "UPTILL_REPUBLISH_S": "2",
    "UPTILL_BATCH_STORES": str(BATCH_STORES),
    "UPTILL_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
    "UPTILL_RATE_READ": "100000/minute",
    "UPTILL_MAX_OPEN_REPORTS": "100000",
    "UPTILL_RATE_REPORT": "100000/minute",
}
REST_S = 60.0  # from the moment when everything runs again until every accepted report has ended
_MUST_HAPPEN = (
    "kills",
    "reports succeeded",
    "client file_loaded",
    "client produced",
    "client dropped",
)
_MUST_HAPPEN_IN_A_MINUTE = (
    "client call_answered",
    "leases that ran out",
    "messages published again",
    "damaged parts",
    "client change_answered",
    "client consumer_killed",
    "client watcher_killed",
    "client sftp_restarted",
    "days of facts",
    "weeks sealed",
    "weeks opened",
)
_TICK_S = 0.02
_LATE_S = 180.0  # on a busy machine the faults come late, and what is asked to end does not at once
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Options:
    """Where, how long, and with which draws."""

    directory: Path
    seed: str
    seconds: float
    workers: int = 2


def soak(options: Options) -> Outcome:
    """Run it all; leaves no process behind."""
    options.directory.mkdir(exist_ok=True)
    with private_stack(options.directory, workers=options.workers, settings=SETTINGS) as stack:
        sample = options.directory / "sample"
        write_sample(sample, stores=STORES, days=DAYS)
        stores = sorted({row["store_id"] for row in rows_of(sample / "store_status.csv")})
        write_old_polls(options.directory / "old.csv", options.seed, stores)
        ingest_paths(stack.settings["UPTILL_DATABASE_URL"], [str(sample), str(options.directory / "old.csv")])
        stack.start(*stack.services)
        stack.await_ready(*stack.services)
        say("tormenting")
        with (
            closing(LeaseWatch(stack.settings["UPTILL_DATABASE_URL"])) as watch,
            _clients(stack, options) as clients,
        ):
            faults = plan(options.seed, options.seconds, [*stack.services, *stack.servers, PARTS])
            tormentor = torment(stack, faults, watch, options.seconds)
            ask_to_end(options.directory)
            rest_s = _rest(stack, clients.values())
            breaches = [
                f"{name} ended with {client.poll()}" for name, client in clients.items() if client.poll()
            ]
        return _judge(stack, options, tormentor, watch, rest_s, breaches)


def torment(stack: PrivateStack, faults: Sequence[Fault], watch: LeaseWatch, seconds: float) -> Tormentor:
    """Until all faults of a plan of so many seconds are over and everything runs."""
    parent = os.getppid()
    tormentor = Tormentor(stack, faults, watch)
    look_at_s, until_s = 0.0, time.monotonic() + seconds + _LATE_S
    while not tormentor.is_done:
        tormentor.tick()
        if time.monotonic() > look_at_s:
            watch.look()
            look_at_s = time.monotonic() + _LOOK_EVERY_S
        if os.getppid() != parent:
            raise SystemExit("whoever started this soak has ended")
        if time.monotonic() > until_s:
            raise TimeoutError("the faults of the plan did not end")
        time.sleep(_TICK_S)
    say("healing")
    tormentor.heal()
    say("at rest soon")
    return tormentor


@contextmanager
def _clients(stack: PrivateStack, options: Options) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """The callers and the deliveries, as processes; killed if they are still there at the end."""
    with ExitStack() as cleanup:
        clients = {}
        for module in ("traffic", "late", "kafka", "drops", "facts", "sealing"):
            log = cleanup.enter_context((options.directory / f"{module}.log").open("wb"))
            program = f"tests.chaos.soak.{module}"
            command = [sys.executable, "-m", program, str(options.directory), options.seed]
            client = subprocess.Popen(
                command, env=service_environment(stack.settings), stdout=log, stderr=log
            )
            cleanup.callback(client.wait)
            cleanup.callback(client.kill)
            clients[module] = client
        yield clients


def say(stage: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {stage}\n")


def _rest(stack: PrivateStack, clients: Collection[subprocess.Popen[bytes]]) -> float:
    """Until the clients have ended, no report is under way and no batch is leased; failed reports are tried again.

    At most `REST_S`; returns how long it took.
    """
    began_s = time.monotonic()
    with psycopg.connect(stack.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        while time.monotonic() - began_s < REST_S:
            for (report_id,) in conn.execute(
                "select id from report where state = 'failed' and kind = 'report'"
            ).fetchall():
                httpx2.post(
                    f"{stack.settings['UPTILL_API_URL']}/v1/reports/{report_id}/retry",
                    headers={"Authorization": f"Bearer {stack.settings['UPTILL_API_KEY']}"},
                )
            busy = conn.execute(
                "select exists (select from report where state in ('queued', 'running') and kind <> 'now')"
                " or exists (select from report where state = 'failed' and kind = 'report')"
                " or exists (select from report_batch where state = 'leased')"
            ).fetchone()
            if busy == (False,) and all(client.poll() is not None for client in clients):
                break
            # A loader may be waiting for a week.
            end_rest(conn)
            time.sleep(0.1)
        rest_s = time.monotonic() - began_s
        open_all(conn)
    return rest_s


def _judge(
    stack: PrivateStack,
    options: Options,
    tormentor: Tormentor,
    watch: LeaseWatch,
    rest_s: float,
    breaches: list[str],
) -> Outcome:
    """Stop the services, so that nothing changes any more, and look at everything."""
    say("stopping and checking")
    for service in stack.services:
        stack.stop(service)
    told = [
        record
        for client in ("traffic", "facts")
        for record in read_journal(options.directory / f"{client}.jsonl")
    ]
    late = [
        record
        for client in ("late", "kafka", "drops")
        for record in read_journal(options.directory / f"{client}.jsonl")
    ]
    events = logged(options.directory / "logs")
    with psycopg.connect(stack.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        breaches += check_figures(stack, conn)
        breaches += check_soak(
            conn, _storage(stack), told=told, late=late, events=events, max_attempts=MAX_ATTEMPTS
        )
        did = count_happenings(conn, told, late, events) | {
            "batches of killed workers": len(watch.waits_s) + watch.waiting
        }
        did["leases that ran out"] = did["leases expired"] + len(watch.waits_s)
    counts = tormentor.counts.items()
    kills = {
        "kills": sum(count for name, count in counts if "kill" in name),
        "damaged parts": sum(count for name, count in counts if name.startswith(PARTS)),
    }
    expected = _MUST_HAPPEN + (_MUST_HAPPEN_IN_A_MINUTE if options.seconds >= 60 else ())
    breaches += [f"no {name}: this soak proves nothing" for name in expected if not (kills | did).get(name)]
    return Outcome(
        options.seed,
        dict(sorted(tormentor.counts.items())),
        dict(sorted(tormentor.ended_alone.items())),
        did,
        watch.waits_s,
        api_waits_s(tormentor, told),
        rest_s,
        breaches,
    )


def _storage(stack: PrivateStack) -> Storage:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in stack.settings.items()}
    return make_storage(Settings.model_validate(values))
