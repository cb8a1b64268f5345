"""Allow one stack at a time in a data directory, and end processes of an earlier one."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from services.local.errors import LocalStackError
from services.local.stopping import Running, Stage, StopPlan, stop_all

_POLL_S = 0.1
# The keeper's grace periods, and some more.
_PREDECESSOR_STOPS_WITHIN_S = 60.0
_GRACE_S = {Stage.SERVER: 20.0, Stage.SERVICE: 0.0}


@contextmanager
def locked(directory: Path, wait: Callable[[float], None]) -> Iterator[int]:
    """Hold `directory/lock` and yield its descriptor, which the keeper holds too.

    If the keeper of a killed stack is still stopping servers, wait for it with `wait(seconds)`. Raises
    `LocalStackError` if a running stack holds the lock.
    """
    with os.fdopen(os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        deadline = time.monotonic() + _PREDECESSOR_STOPS_WITHIN_S
        while not _try_lock(file.fileno()):
            file.seek(0)
            holder = file.read().strip()
            if holder.isdigit() and psutil.pid_exists(int(holder)):
                raise LocalStackError(
                    f"another `uptill up` (process {holder}) uses {directory}. "
                    "Stop it, or choose another folder with --data."
                )
            if time.monotonic() > deadline:
                raise LocalStackError(
                    f"processes of an earlier `uptill up` still hold {directory}/lock; stop them and try again"
                )
            wait(_POLL_S)
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield file.fileno()


def stop_strays(stop_signals: Mapping[Path, int]) -> None:
    """End processes that outlived their stack and its keeper.

    `stop_signals` maps a process's working folder to the signal that stops the process.
    """
    strays: list[Running] = []
    for process in psutil.process_iter(["cwd", "terminal"]):
        cwd = process.info["cwd"]
        if cwd and process.info["terminal"] is None and Path(cwd) in stop_signals:
            strays.append(Running(process, StopPlan(Stage.SERVER, stop_signals[Path(cwd)])))
    stop_all(strays, _GRACE_S)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
