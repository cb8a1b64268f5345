"""How processes are ended, in order and for certain. Used by the stack and, after its death, by the keeper."""

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
class Running:
    """A process that leads its own process group, the signal that asks it to stop, and files it leaves if killed."""

    process: psutil.Process
    stage: Stage
    stop_signal: int
    leaves: tuple[Path, ...] = ()

    def is_alive(self) -> bool:
        """Whether it still runs; a process that ended but was not waited for yet is not alive."""
        try:
            return bool(self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


def stop_all(running: Iterable[Running], grace_s: dict[Stage, float]) -> None:
    """Stop stage after stage: ask, wait up to the stage's grace, then kill what is left with all its descendants."""
    everything = list(running)
    for stage in sorted(Stage, reverse=True):
        _stop([one for one in everything if one.stage == stage], grace_s[stage])


def _stop(group: list[Running], grace_s: float) -> None:
    alive = [one for one in group if one.is_alive()]
    for one in alive:
        with suppress(psutil.NoSuchProcess):
            one.process.send_signal(one.stop_signal)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and any(one.is_alive() for one in alive):
        time.sleep(_POLL_S)
    for one in alive:
        kill(one)
    for leftover in (path for one in group for path in one.leaves):
        leftover.unlink(missing_ok=True)


def kill(one: Running) -> None:
    """End a process and everything under it at once; one that is frozen too."""
    descendants: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        descendants = one.process.children(recursive=True)  # Postgres gives each backend a session of its own
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(one.process.pid, signal.SIGKILL)
    for process in descendants:
        with suppress(psutil.NoSuchProcess):
            process.kill()
