"""`python -m tests.stack.failover`, which is `make test-stack-ha`: the stack with deploy/compose/ha.yml loses its primary.

Under live polls, the container of the primary is killed, and later started again. No acknowledged poll may be missing.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import httpx2

from tests.fixtures.services import wait_until
from tests.stack.base_image import base_image
from tests.stack.command import CommandFailed
from tests.stack.ending import show_state, take_down
from tests.stack.engine import CACHE, running_engine
from tests.stack.scenario import SOON_S, is_ready
from tests.stack.stack import Stack, make_stack
from tests.stack.summary import Summary
from uptill_client import ApiError

_NODES = ("postgres", "postgres-2", "postgres-3")
_SEPARATOR = ":"


def main() -> int:
    """Start the stack with three nodes, fail over once, take everything down again, and print the summary."""
    summary = Summary()
    try:
        with running_engine(CACHE) as engine, tempfile.TemporaryDirectory(prefix="uptill-ha-") as folder:
            stack = make_stack(engine, base_image(engine), Path(folder, "secrets"))
            files = _SEPARATOR.join((stack.env["COMPOSE_FILE"], "deploy/compose/ha.yml"))
            stack = replace(stack, env={**stack.env, "COMPOSE_FILE": files})
            try:
                _fail_over(stack, summary)
            except BaseException:
                show_state(stack)
                raise
            finally:
                take_down(stack, summary)
    except (ApiError, AssertionError, CommandFailed, TimeoutError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    print(f"\nmake test-stack-ha passed\n{summary}")
    return 0


def _fail_over(stack: Stack, summary: Summary) -> None:
    with summary.step("build the images"):
        stack.run_compose("build")
    with summary.step("up, with three nodes"):
        stack.run_compose("up", "--detach", "--no-build")
        wait_until(lambda: is_ready(stack), "the API", within_s=SOON_S)
        wait_until(lambda: _count_standbys(stack) == 2, "two standbys", within_s=SOON_S)
    scopes = ["--scope", "ingest:write", "--scope", "reports:write", "--scope", "reports:read"]
    key = stack.run_compose("run", "--rm", "-T", "keys", "create", "ha", *scopes).split()[-1]
    with _live_polls(stack, key) as polls:
        wait_until(lambda: polls.acknowledged > 0, "the first poll", within_s=SOON_S)
        primary = _find_primary(stack)
        with summary.step("kill the primary, under live polls") as found:
            stack.run_compose("kill", primary)
            before, began_s = polls.acknowledged, time.monotonic()
            # One call may have been on its way.
            wait_until(lambda: polls.acknowledged > before + 1, "writes again", within_s=SOON_S)
            found.append(f"{primary} was killed; acknowledged again after {time.monotonic() - began_s:.1f} s")
        with summary.step("a report"):
            wait_until(lambda: _makes_report(stack, key), "a report", within_s=SOON_S)
        with summary.step("the killed node comes back as a standby"):
            stack.run_compose("start", primary)
            wait_until(lambda: _count_standbys(stack) == 2, "two standbys again", within_s=SOON_S)
    with summary.step("every acknowledged poll is there") as found:
        stored = int(stack.sql("select count(*) from observation", _find_primary(stack))[0])
        assert stored >= polls.acknowledged, f"{stored} of {polls.acknowledged} polls"
        found.append(f"{polls.acknowledged:,} acknowledged, {stored:,} stored, {polls.refused} calls refused")


class LivePolls:
    """Sends one poll after the other. `acknowledged` counts the calls that were answered with success."""

    def __init__(self, stack: Stack, key: str) -> None:
        self._stack, self._key = stack, key
        self.acknowledged = self.refused = 0

    def send_until(self, stop: Event) -> None:
        """Send each poll once, whether or not it is acknowledged."""
        at = datetime.now(UTC) - timedelta(days=7)
        with httpx2.Client(
            base_url=self._stack.ingest_url, headers={"Authorization": f"Bearer {self._key}"}, timeout=60
        ) as http:
            while not stop.is_set():
                at += timedelta(seconds=1)
                poll = {"store_id": "s1", "status": "active", "observed_at": at.isoformat()}
                try:
                    answer = http.post("/v1/observations", json={"observations": [poll]})
                    taken = answer.is_success
                except httpx2.HTTPError:
                    taken = False
                self.acknowledged += taken
                self.refused += not taken
                stop.wait(0.02 if taken else 0.5)


@contextmanager
def _live_polls(stack: Stack, key: str) -> Iterator[LivePolls]:
    polls, stop = LivePolls(stack, key), Event()
    thread = Thread(target=polls.send_until, args=[stop])
    thread.start()
    try:
        yield polls
    finally:
        stop.set()
        thread.join()


def _makes_report(stack: Stack, key: str) -> bool:
    """Whether a report succeeds, and no call for it is told to come again later."""
    try:
        with stack.client(key) as client:
            *_, status = client.follow(client.create_report(force=True).id)
    except ApiError as error:
        if error.status != httpx2.codes.SERVICE_UNAVAILABLE:
            raise
        return False
    assert status.state == "succeeded", status
    return True


def _find_primary(stack: Stack) -> str:
    for node in _NODES:
        try:
            if stack.sql("select not pg_is_in_recovery()", node) == ["t"]:
                return node
        except CommandFailed:
            continue  # it is down, or not ready
    raise AssertionError("no node is the primary")


def _count_standbys(stack: Stack) -> int:
    try:
        rows = stack.sql(
            "select count(*) from pg_stat_replication where state = 'streaming'", _find_primary(stack)
        )
    except (AssertionError, CommandFailed):
        return 0
    return int(rows[0])


if __name__ == "__main__":
    sys.exit(main())
