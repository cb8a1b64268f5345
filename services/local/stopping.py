"""Stop processes in order, and kill those that do not stop. Used by the stack and the keeper."""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import psutil

_POLL_S = 0.02


class Stage(IntEnum):
    """Higher stages start later and stop earlier."""

    SERVER = 0
    SERVICE = 1


@dataclass(frozen=True)
class StopPlan:
    """When a process is stopped, by which signal, and the files that it does not remove if it is killed."""

    stage: Stage
    signal: int = signal.SIGTERM
    leaves: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Running:
    """A leader of its own process group, and how it is stopped."""

    process: psutil.Process
    plan: StopPlan

    def is_alive(self) -> bool:
        """Return whether the process still runs. A zombie does not count."""
        try:
            return bool(self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


def stop_all(running: Iterable[Running], grace_s: dict[Stage, float]) -> None:
    """Stop stage by stage: send the stop signal, wait for the grace period, then kill the rest with all descendants."""
    everything = list(running)
    for stage in sorted(Stage, reverse=True):
        _stop_child([one for one in everything if one.plan.stage == stage], grace_s[stage])


def _stop_child(group: list[Running], grace_s: float) -> None:
    alive = [one for one in group if one.is_alive()]
    for one in alive:
        with suppress(psutil.NoSuchProcess):
            one.process.send_signal(one.plan.signal)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and any(one.is_alive() for one in alive):
        time.sleep(_POLL_S)
    for one in alive:
        kill(one)
    for leftover in (path for one in group for path in one.plan.leaves):
        leftover.unlink(missing_ok=True)


def kill(one: Running) -> None:
    """Kill a process and all its descendants at once, even if it is frozen."""
    descendants: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        # Postgres gives each backend a session of its own.
        descendants = one.process.children(recursive=True)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(one.process.pid, signal.SIGKILL)
    for process in descendants:
        with suppress(psutil.NoSuchProcess):
            process.kill()
