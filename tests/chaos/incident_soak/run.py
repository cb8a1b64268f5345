"""The course of the soak: set up, torment, heal, all stores down, all stores up, check."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from services.local.ports import HOST, free_ports
from services.local.settings_file import service_environment
from tests.chaos.incident_soak.check import check_incidents, figures
from tests.chaos.incident_soak.fleet import ALONE, GROUPS, STORES, PollSender, set_up
from tests.chaos.soak.ending import ask_to_end
from tests.chaos.soak.journal import read_journal
from tests.chaos.soak.leases import LeaseWatch
from tests.chaos.soak.plan import plan
from tests.chaos.soak.run import Options, say, torment
from tests.fixtures.private_stack import PrivateStack, private_stack
from uptill_client import UptillClient

SETTINGS = {
    "UPTILL_LEASE_S": "3",
    "UPTILL_SWEEP_S": "0.5",
    "UPTILL_REPUBLISH_S": "2",
    "UPTILL_BATCH_STORES": "4",
    "UPTILL_NOW_EVERY_S": "4",
    "UPTILL_CHANNEL_GATHER_S": "0.2",
    "UPTILL_WEBHOOK_ALLOW_PRIVATE": "true",
    "UPTILL_RATE_READ": "100000/minute",
}
REST_S = 120.0  # a refused message waits longer each time, and a batch whose worker died for its lease
_LOOK_EVERY_S = 0.2
_ALL_DOWN = (
    "select count(*) = %s from incident left join store using (store_key)"
    " where ended_at is null and (rule = 'alone' and store_id like 'alone-%%' or rule = 'region')"
)
_AT_REST = (
    "select not exists (select from incident where ended_at is null)"
    " and not exists (select from channel_event where message_id is null)"
    " and not exists (select from channel_message where state in ('pending', 'leased'))"
    " and not exists (select from store_now where state <> 'up')"
)


@dataclass(frozen=True)
class IncidentOutcome:
    """`breaches` are the promises that were broken."""

    seed: str
    faults: Mapping[str, int]
    did: Mapping[str, int]
    rest_s: float
    breaches: list[str]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"faults: {_counts(self.faults)}",
                f"did: {_counts(self.did)}",
                f"from all stores up until all incidents had ended and were told: {self.rest_s:.1f} s",
                *(f"BROKEN: {breach}" for breach in self.breaches),
                f"seed {self.seed}: {f'{len(self.breaches)} broken' if self.breaches else 'every promise kept'}",
            ]
        )


def soak_incidents(options: Options) -> IncidentOutcome:
    """Run it all; leaves no process behind."""
    options.directory.mkdir(exist_ok=True)
    (port,) = free_ports(1)
    with private_stack(options.directory, workers=options.workers, settings=SETTINGS) as stack:
        stack.start(*stack.services)
        stack.await_ready(*stack.services)
        with _process(stack, options, "hook", str(port)), closing(_watch(stack)) as watch:
            with _client(stack) as client:
                set_up(client, f"http://{HOST}:{port}/")
            with _process(stack, options, "poller") as poller:
                say("tormenting")
                faults = plan(options.seed, options.seconds, [*stack.services, *stack.servers])
                tormentor = torment(stack, faults, watch, options.seconds)
                ask_to_end(options.directory)
                poller.wait()
            return _judge(stack, options, dict(sorted(tormentor.counts.items())), poller.returncode)


def _judge(stack: PrivateStack, options: Options, faults: Mapping[str, int], poller: int) -> IncidentOutcome:
    """Let all stores go down and come back, which opens and ends an incident about each; then look at everything."""
    breaches = [f"the poller ended with {poller}"] if poller else []
    sender = PollSender(stack.settings, options.directory / "polls.jsonl")
    with psycopg.connect(stack.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:

        def reached(query: str, *given: object) -> bool:
            return conn.execute(query.encode(), given).fetchone() == (True,)

        say("all stores down")
        for _ in range(3):
            sender.send((store, datetime.now(UTC), False) for store in STORES)
        wanted = len(ALONE) + len(GROUPS)
        if not _waits(lambda: reached(_ALL_DOWN, wanted)):
            breaches.append("stores that are down have no incident")
        say("all stores up")
        began_s = time.monotonic()
        sender.send((store, datetime.now(UTC), True) for store in STORES)
        _waits(lambda: reached(_AT_REST))
        rest_s = time.monotonic() - began_s
        say("stopping and checking")
        for service in stack.services:
            stack.stop(service)
        polls = read_journal(options.directory / "polls.jsonl")
        messages = read_journal(options.directory / "messages.jsonl")
        breaches += check_incidents(conn, polls, messages)
        did = figures(conn, polls, messages)
    breaches += [f"no {name}: this soak proves nothing" for name in _lacking(faults, did)]
    return IncidentOutcome(options.seed, faults, did, rest_s, breaches)


def _lacking(faults: Mapping[str, int], did: Mapping[str, int]) -> Iterable[str]:
    if not any("kill" in name for name in faults):
        yield "kills"
    yield from (
        name for name in ("incidents alone resolved", "incidents region resolved") if not did.get(name)
    )


def _waits(condition: Callable[[], bool]) -> bool:
    until_s = time.monotonic() + REST_S
    while not (holds := condition()) and time.monotonic() < until_s:
        time.sleep(_LOOK_EVERY_S)
    return holds


def _watch(stack: PrivateStack) -> LeaseWatch:
    return LeaseWatch(stack.settings["UPTILL_DATABASE_URL"])


def _client(stack: PrivateStack) -> UptillClient:
    settings = stack.settings
    return UptillClient(
        settings["UPTILL_API_URL"], settings["UPTILL_API_KEY"], ingest_url=settings["UPTILL_INGEST_URL"]
    )


@contextmanager
def _process(
    stack: PrivateStack, options: Options, module: str, *given: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program of this package; it is killed at the end if it is still there."""
    with ExitStack() as cleanup:
        log = cleanup.enter_context((options.directory / f"{module}.log").open("wb"))
        command = [sys.executable, "-m", f"tests.chaos.incident_soak.{module}"]
        process = subprocess.Popen(
            [*command, str(options.directory), options.seed, *given],
            env=service_environment(stack.settings),
            stdout=log,
            stderr=log,
        )
        cleanup.callback(process.wait)
        cleanup.callback(process.kill)
        yield process


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
