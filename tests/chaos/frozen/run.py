"""The course: everything runs and is called, one server stands still for a while, everything is well again."""

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from services.ingest.run import ingest_paths
from services.sample import write_sample
from tests.chaos.frozen.calls import Callers, Times
from tests.fixtures.private_stack import PrivateStack, eventually, private_stack
from uptill_client import UptillClient

SERVERS = ("valkey", "seaweedfs", "postgres")
STORES = 40
_WELL_S = 4.0  # of calls before the first server is frozen
# Promise 26: what a call that does not need the frozen server takes longer than before, at most.
PROMISED_S = 1.0
# Where Postgres is frozen a call that needs it is refused, at the latest after this.
REFUSED_WITHIN_S = 30.0
_READY = ("api readyz", "ingest readyz", "api livez", "ingest livez")
_WITHOUT_STORE = ("POST report", "GET report", "GET reports", "GET stores", "POST polls", "GET imports")


@dataclass
class Seen:
    """The answers while each server was frozen, and what was promised otherwise."""

    times: dict[str, Mapping[str, Times]] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = []
        for frozen, times in self.times.items():
            lines += [f"frozen: {frozen}", *(f"  {name:14} {seen}" for name, seen in times.items())]
        return "\n".join([*lines, *(f"BROKEN: {breach}" for breach in self.breaches)])


def freeze_each(directory: Path, servers: Sequence[str], seconds: float, at_once: int) -> Seen:
    """Run it all; leaves no process behind."""
    rates = {f"UPTILL_RATE_{kind}": "100000/second" for kind in ("READ", "REPORT", "INGEST")}
    with private_stack(directory, workers=1, settings=rates) as stack:
        write_sample(directory / "sample", stores=STORES, days=9)
        ingest_paths(stack.settings["UPTILL_DATABASE_URL"], [str(directory / "sample")])
        stack.start(*stack.services)
        stack.await_ready(*stack.services)
        report_id = _finished_report(stack)
        seen = Seen()
        seen.times["none"] = _called(stack, report_id, at_once, _WELL_S)
        for server in servers:
            with _frozen(stack, server):
                seen.times[server] = _called(stack, report_id, at_once, seconds)
            eventually(lambda: _succeeds(stack), f"a report after the return of {server}")
            seen.breaches += _breaches(server, seen.times[server], seen.times["none"])
        return seen


def _called(stack: PrivateStack, report_id: str, at_once: int, seconds: float) -> Mapping[str, Times]:
    callers = Callers(stack, report_id, at_once)
    callers.start()
    time.sleep(seconds)
    callers.stop()
    return callers.times


def _breaches(server: str, times: Mapping[str, Times], well: Mapping[str, Times]) -> Iterator[str]:
    for name in (*_READY, *_WITHOUT_STORE):
        refuses = server == "postgres" and name in _WITHOUT_STORE
        bound_s = REFUSED_WITHIN_S if refuses else PROMISED_S
        took_s, before_s = times[name].percentile(0.99), well[name].percentile(1.0)
        if took_s > before_s + bound_s:
            yield f"{server} frozen: {name} took {took_s:.2f} s (p99), and {before_s:.2f} s before"
    for name in _WITHOUT_STORE:
        wanted = {"503", "200", "202"} if server == "postgres" else {"200", "202"}
        if others := set(times[name].answers) - wanted:
            yield f"{server} frozen: {name} was answered {others}"
    for name in ("api readyz", "ingest readyz"):
        if server != "postgres" and set(times[name].answers) != {"200"}:
            yield f"{server} frozen: {name} was answered {dict(times[name].answers)}"
    if server == "postgres" and "503" not in times["api readyz"].answers:
        yield "postgres frozen: the API said that it was ready"


@contextmanager
def _frozen(stack: PrivateStack, server: str) -> Iterator[None]:
    """Stop every process of a server, Postgres' sessions too, which are process groups of their own."""
    stopped = [psutil.Process(number) for number in stack.process_ids(server)]
    for process in stopped:
        _signal(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            _signal(process, signal.SIGCONT)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _finished_report(stack: PrivateStack) -> str:
    with UptillClient(stack.settings["UPTILL_API_URL"], stack.settings["UPTILL_API_KEY"]) as client:
        report_id = client.create_report(force=True).id
        eventually(lambda: client.get_report(report_id).state == "succeeded", "the first report")
    return report_id


def _succeeds(stack: PrivateStack) -> bool:
    with UptillClient(stack.settings["UPTILL_API_URL"], stack.settings["UPTILL_API_KEY"]) as client:
        return client.create_report(force=True).id != ""
