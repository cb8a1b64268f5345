"""The course of an outage: reports under way, servers gone, calls all the while, the servers back, everything as it was."""

import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psycopg

from services.ingest.run import ingest_paths
from services.sample import write_sample
from tests.fixtures.private_stack import PrivateStack, private_stack
from tests.oracle.report import expected_csv

HOW = ("killed", "frozen")
HEALED_S = (
    60.0  # until the first 202; and from then on the longest time in which no report ends while some are open
)
STORES, BATCH_STORES = 40, 8
_EVERY_S = 0.5
_CALL_TIMEOUT_S = 40.0
# The job of live state is a report of its own kind, and never ends.
_OPEN_REPORTS = "select count(*) from report where kind = 'report' and state in ('queued', 'running')"
_ACCEPTED, _UNAVAILABLE = httpx2.codes.ACCEPTED, httpx2.codes.SERVICE_UNAVAILABLE


@dataclass(frozen=True)
class Options:
    """Which servers at once, killed or frozen, and for how long."""

    directory: Path
    servers: Sequence[str]
    how: str
    seconds: float


@dataclass
class Seen:
    """Answers to triggers during the outage, and how long it took to heal."""

    what: str
    answers: Counter[str] = field(default_factory=Counter)
    first_202_s: float = 0.0
    healed_s: float = 0.0
    breaches: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        answers = ", ".join(f"{answer} {count}" for answer, count in sorted(self.answers.items()))
        lines = [
            f"{self.what}: {answers}",
            f"after its return: the first 202 after {self.first_202_s:.1f} s, every report ended after {self.healed_s:.1f} s",
            *(f"BROKEN: {breach}" for breach in self.breaches),
        ]
        return "\n".join(lines)


class Caller:
    """Triggers with a new Idempotency-Key each, and remembers what it was told."""

    def __init__(self, stack: PrivateStack) -> None:
        self._http = httpx2.Client(
            base_url=stack.settings["UPTILL_API_URL"],
            headers={"Authorization": f"Bearer {stack.settings['UPTILL_API_KEY']}"},
            timeout=_CALL_TIMEOUT_S,
        )
        self.told: dict[str, str] = {}
        self.refused: list[str] = []
        self._keys = 0

    def trigger(self, key: str | None = None) -> str:
        """Trigger; returns the status, or the name of the error when there was no answer."""
        if key is None:
            self._keys += 1
            key = f"key-{self._keys}"
        try:
            answer = self._http.post("/v1/reports", json={"force": True}, headers={"Idempotency-Key": key})
        except httpx2.HTTPError as error:
            self.refused.append(key)
            return type(error).__name__
        if answer.status_code == _ACCEPTED:
            self.told[key] = answer.json()["id"]
        else:
            self.refused.append(key)
        if answer.status_code == _UNAVAILABLE and "retry-after" not in answer.headers:
            return "503 without Retry-After"
        return str(answer.status_code)

    def lives(self) -> bool:
        try:
            return self._http.get("/livez").is_success
        except httpx2.HTTPError:
            return False

    def report(self, report_id: str) -> Mapping[str, object]:
        answer = self._http.get(f"/v1/reports/{report_id}")
        body: Mapping[str, object] = answer.json()
        return body


def outage(options: Options) -> Seen:
    """Run it all; leaves no process behind."""
    settings = {
        "UPTILL_BATCH_STORES": str(BATCH_STORES),
        "UPTILL_RATE_REPORT": "100000/minute",
        "UPTILL_MAX_OPEN_REPORTS": "100000",
    }
    with private_stack(options.directory, workers=2, settings=settings) as stack:
        sample = write_sample(options.directory / "sample", stores=STORES, days=9)
        ingest_paths(stack.settings["UPTILL_DATABASE_URL"], [str(options.directory / "sample")])
        stack.start(*stack.services)
        stack.await_ready(*stack.services)
        processes = {name: stack.pid(name) for name in stack.services}
        seen = Seen(f"{' and '.join(options.servers)} {options.how} for {options.seconds:g} s")
        caller = Caller(stack)
        for _ in range(5):
            caller.trigger()
        _away(stack, options, caller, seen)
        _heal(stack, caller, seen)
        _check(stack, options, caller, seen, expected_csv(*(file.path for file in sample.files)))
        seen.breaches += [
            f"{name} ended, or was started again"
            for name, pid in processes.items()
            if stack.has_ended(name) or stack.pid(name) != pid
        ]
        return seen


def _away(stack: PrivateStack, options: Options, caller: Caller, seen: Seen) -> None:
    """The outage, from its first to its last second."""
    until_s = time.monotonic() + options.seconds
    for server in options.servers:
        if options.how == "frozen":
            stack.signal(server, signal.SIGSTOP)
        else:
            stack.signal(server, signal.SIGQUIT if server == "postgres" else signal.SIGKILL)
    while time.monotonic() < until_s:
        seen.answers[caller.trigger()] += 1
        if not caller.lives():
            seen.breaches.append("the API did not answer /livez")
        time.sleep(_EVERY_S)
    for server in options.servers:
        if options.how == "frozen":
            stack.signal(server, signal.SIGCONT)
        else:
            stack.start(server)
    stack.await_ready(*options.servers)


def _heal(stack: PrivateStack, caller: Caller, seen: Seen) -> None:
    """Until every report has ended; what was refused is asked again with the same key."""
    back_s = time.monotonic()
    for key in [*caller.refused, "after"]:
        while caller.trigger(key) != str(_ACCEPTED):
            time.sleep(0.1)
            if time.monotonic() > back_s + HEALED_S:
                seen.breaches.append(f"no 202 within {HEALED_S:g} s of the return")
                return
        seen.first_202_s = seen.first_202_s or time.monotonic() - back_s
    with psycopg.connect(stack.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        ended_s, left = time.monotonic(), -1
        while left:
            time.sleep(0.1)
            before = left
            ((left,),) = conn.execute(_OPEN_REPORTS)
            if left != before:
                ended_s = time.monotonic()
            elif time.monotonic() > ended_s + HEALED_S:
                seen.breaches.append(f"{left} reports under way, and none has ended for {HEALED_S:g} s")
                return
    seen.healed_s = time.monotonic() - back_s


def _check(stack: PrivateStack, options: Options, caller: Caller, seen: Seen, wanted: bytes) -> None:
    # 503 also without Postgres being away: when accepted work has waited for the other server too long.
    seen.breaches += [
        f"a trigger was answered {answer}" for answer in seen.answers if answer not in {"202", "503"}
    ]
    for report_id in caller.told.values():
        report = caller.report(report_id)
        files = report["files"]
        if report["state"] != "succeeded" or not isinstance(files, Sequence):
            seen.breaches.append(f"report {report_id} is {report['state']}: {report['error']}")
        elif httpx2.get(files[0]["url"]).content != wanted:
            seen.breaches.append(f"report {report_id} has other bytes")
    with psycopg.connect(stack.settings["UPTILL_DATABASE_URL"], autocommit=True) as conn:
        reports, keys, burnt = conn.execute(
            "select (select count(*) from report where kind = 'report'), (select count(*) from idempotency where created_by <> ''),"
            " (select max(burnt) from report_batch)"
        ).fetchall()[0]
    if not reports == keys == len(caller.told):
        seen.breaches.append(f"{reports} reports and {keys} keys for {len(caller.told)} requests")
    # Of Postgres at most one: another worker may claim the batch before its holder can give the claim back.
    if burnt > (2 if "postgres" in options.servers else 1):
        seen.breaches.append(f"the outage burnt {burnt - 1} claims of a batch")
