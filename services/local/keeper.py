"""The keeper: a process that stops what its owner started, should the owner die without doing so itself.

It reads one registration a line from standard input; each child writes its own before it becomes the program it is
for, so none is ever unknown here. The end of input is the owner's end, be it a normal exit or SIGKILL. It must not
know what the processes are. Arguments: files to remove at the end.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from services.local.stopping import Running, Stage, stop_all

# Shorter than a regular stop: the owner was killed, and someone may be waiting to start again.
_GRACE_S = {Stage.SERVICE: 5.0, Stage.SERVER: 20.0}


def registration(stage: Stage, stop_signal: int, leaves: Sequence[Path]) -> bytes:
    """The line that puts the calling process into the keeper's care; short enough to be written at once (PIPE_BUF)."""
    return json.dumps([os.getpid(), int(stage), int(stop_signal), *map(str, leaves)]).encode() + b"\n"


def main() -> None:
    """Wait for the end of standard input, then stop everything that was registered."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    kept: list[Running] = []
    for line in sys.stdin.buffer:
        pid, stage, stop_signal, *leaves = json.loads(line)
        with suppress(psutil.NoSuchProcess):
            kept.append(Running(psutil.Process(pid), Stage(stage), stop_signal, tuple(map(Path, leaves))))
    for name in sys.argv[1:]:
        Path(name).unlink(missing_ok=True)
    stop_all(kept, _GRACE_S)


if __name__ == "__main__":
    main()
