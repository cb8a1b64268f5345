"""Start and stop the stack's processes: each in its own session, with its own log, registered with the keeper."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from services.local.errors import LocalStackError
from services.local.keeper import registration
from services.local.stopping import Running, Stage, StopPlan, stop_all

_TAIL_LINES = 15
_STOP_GRACE_S = {Stage.SERVICE: 30.0, Stage.SERVER: 60.0}


@dataclass(frozen=True)
class Child:
    """One started program and the file its output goes to."""

    name: str
    popen: subprocess.Popen[bytes]
    running: Running
    log: Path

    def has_ended(self) -> bool:
        """Whether it exited or was killed."""
        return self.popen.poll() is not None

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it: it runs no more until another lets it."""
        try:
            return bool(self.running.process.status() == psutil.STATUS_STOPPED)
        except psutil.NoSuchProcess:
            return False

    def obituary(self) -> str:
        """Describe how the process ended, with the last lines of its log."""
        code = self.popen.returncode
        how = (
            f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"exited with code {code}"
        )
        return f"{self.name} {how}. The end of {self.log}:\n{tail(self.log)}"


class ProcessSet:
    """Starts child processes and stops them, the last stage first. Not thread-safe.

    Output goes to `logs/NAME.log`; the logs of the previous set are kept as `NAME.log.1`. The keeper holds the open
    descriptors `held` (a lock) until no process is left, and removes the files `remove_at_end`.
    """

    def __init__(self, logs: Path, *, held: Sequence[int] = (), remove_at_end: Iterable[Path] = ()) -> None:
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        for earlier in logs.glob("*.log"):
            earlier.replace(earlier.with_suffix(".log.1"))
        self._logs = logs
        self._children: dict[str, Child] = {}
        read_end, write_end = os.pipe()
        self._pipe = os.fdopen(write_end, "wb", buffering=0)
        with (logs / "keeper.log").open("ab") as log, os.fdopen(read_end) as stdin:
            self._keeper = subprocess.Popen(
                [sys.executable, "-P", "-m", "services.local.keeper", *map(str, remove_at_end)],
                stdin=stdin,
                stdout=log,
                stderr=log,
                pass_fds=held,
                start_new_session=True,
            )

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        plan: StopPlan,
    ) -> Child:
        """Start `command` as `name`. No child of that name may be running. `plan` is how it is stopped."""
        log_path = self._logs / f"{name}.log"

        def register() -> None:
            os.write(self._pipe.fileno(), registration(plan))

        with log_path.open("ab") as log:
            popen = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=register,  # noqa: PLW1509 (one thread); then exec closes the pipe, as all that Python opens
            )
        child = Child(name, popen, Running(psutil.Process(popen.pid), plan), log_path)
        self._children[name] = child
        return child

    def run(self, name: str, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        """Run `command` to its end. Raises `LocalStackError` unless it exits with 0."""
        child = self.start(name, command, cwd=cwd, env=env, plan=StopPlan(Stage.SERVER))
        if child.popen.wait() != 0:
            raise LocalStackError(child.obituary())
        del self._children[name]

    def keeper_is_alive(self) -> bool:
        """Return whether the keeper is running, which cleans up if this process dies."""
        return self._keeper.poll() is None

    def close(self) -> None:
        """Stop all processes, and return when none is left."""
        stop_all([child.running for child in self._children.values()], _STOP_GRACE_S)
        for child in self._children.values():
            child.popen.wait()
        self._children.clear()
        self._pipe.close()
        self._keeper.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def tail(log: Path) -> str:
    """Return the last lines of a log, indented."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:]) or "    (it wrote nothing)"
