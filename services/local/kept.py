"""Keep one process running: restart it after a growing pause when it ends or stops answering."""

import time
from collections.abc import Callable
from typing import Protocol

from services.local.processes import Child, ProcessSet
from services.local.stopping import kill
from shared.errors import UptillError

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# A process that ran this long is restarted after the first pause again.
_STEADY_AFTER_S = 60.0
_LOOK_EVERY_S = 5.0
# After a crash, Postgres may have gigabytes of log to replay.
_RECOVERS_WITHIN_S = 600.0


class Program(Protocol):
    """A program that can be kept running."""

    @property
    def name(self) -> str:
        """The name of its process and its log."""

    def start(self, processes: ProcessSet) -> Child:
        """Start the process."""

    def is_ready(self) -> bool:
        """Return whether it does its work."""

    def answers(self) -> bool:
        """Return whether it answers at all, even if it is busy."""


class Kept:
    """One process and its restarts. `say` gets a line for the user about each end, failure and return.

    A running process that is silent for `hung_after_s` is killed and restarted; None: it never is.
    """

    def __init__(
        self,
        program: Program,
        processes: ProcessSet,
        say: Callable[[str], None],
        *,
        child: Child | None = None,
        hung_after_s: float | None = None,
    ) -> None:
        self.program = program
        self.child = child or program.start(processes)
        self.is_up = child is not None
        self._was_up = self.is_up  # since its last start
        self._processes = processes
        self._say = say
        self._hung_after_s = hung_after_s
        self._pause_s = _FIRST_PAUSE_S
        self._away_since_s: float | None = None
        self._restart_s: float | None = None  # on the monotonic clock; None while it runs
        self._started_s = self._answered_s = self._looked_s = time.monotonic()

    def note_ready(self) -> None:
        """Say that it does its work: from now on silence means that it hangs, not that it starts."""
        self.is_up = self._was_up = True

    def tend(self) -> None:
        """Check the process once, and restart it if that is due. Waits only for the answer to a probe."""
        now_s = time.monotonic()
        if self._restart_s is not None:
            if now_s >= self._restart_s:
                self._start_again(now_s)
        elif self.child.has_ended():
            self._plan_restart(now_s, self.child.obituary())
        elif not self.is_up or now_s - self._looked_s >= _LOOK_EVERY_S:
            self._check_health(now_s)

    def _check_health(self, now_s: float) -> None:
        self._looked_s = now_s
        if not self.is_up and self.program.is_ready():
            self.note_ready()
            if self._away_since_s is not None:
                self._say(f"{self.program.name} is back after {now_s - self._away_since_s:.1f} s.")
                self._away_since_s = None
        if not self.child.is_stopped() and self.program.answers():
            self._answered_s = now_s
        elif self._hung_after_s is not None:
            self._wait_for_answer(now_s, self._hung_after_s)

    def _wait_for_answer(self, now_s: float, hung_after_s: float) -> None:
        """Mark a silent process as down, and later kill it. A process that has just started gets more time."""
        silent_s = now_s - self._answered_s
        if self.is_up and silent_s > 2 * _LOOK_EVERY_S:
            self.is_up, self._away_since_s = False, self._answered_s
        if silent_s >= (hung_after_s if self._was_up else _RECOVERS_WITHIN_S):
            self._say(f"{self.program.name} runs and has not answered for {silent_s:.0f} s. Killing it.")
            kill(self.child.running)

    def _plan_restart(self, now_s: float, why: str) -> None:
        if now_s - self._started_s > _STEADY_AFTER_S:
            self._pause_s = _FIRST_PAUSE_S
        self._say(f"{why}\nStarting {self.program.name} again in {self._pause_s:g} s.")
        self.is_up = False
        self._away_since_s = self._away_since_s or now_s
        self._restart_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _start_again(self, now_s: float) -> None:
        self._started_s = self._answered_s = self._looked_s = now_s
        self._was_up = False
        try:
            self.child = self.program.start(self._processes)
        except (OSError, UptillError) as error:  # no room for its files, no process left
            self._plan_restart(now_s, f"{self.program.name} could not be started: {error}")
        else:
            self._restart_s = None
