"""The keeper: a process that stops the stack's processes if the stack dies without stopping them.

It reads one registration per line from standard input. Each child writes its own registration before it executes its
program, so the keeper misses none. Standard input ends when the stack ends, whether by a normal exit or by SIGKILL.
The keeper must not know what the processes are. Arguments: files to remove at the end.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from services.local.stopping import Running, Stage, StopPlan, stop_all

# Shorter than a regular stop, because the next start may be waiting for it.
_GRACE_S = {Stage.SERVICE: 5.0, Stage.SERVER: 20.0}


def registration(plan: StopPlan) -> bytes:
    """Return the line that registers the calling process. It is shorter than PIPE_BUF, so writing it is atomic."""
    return (
        json.dumps([os.getpid(), int(plan.stage), int(plan.signal), *map(str, plan.leaves)]).encode() + b"\n"
    )


def main() -> None:
    """Wait for the end of standard input, then stop everything that was registered."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    kept: list[Running] = []
    for line in sys.stdin.buffer:
        pid, stage, stop_signal, *leaves = json.loads(line)
        with suppress(psutil.NoSuchProcess):
            plan = StopPlan(Stage(stage), stop_signal, tuple(map(Path, leaves)))
            kept.append(Running(psutil.Process(pid), plan))
    for name in sys.argv[1:]:
        Path(name).unlink(missing_ok=True)
    stop_all(kept, _GRACE_S)


if __name__ == "__main__":
    main()
