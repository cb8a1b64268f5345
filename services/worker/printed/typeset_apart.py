"""Run the typesetting in a child process with bounded memory and time, so that no page can harm a worker."""

import os
import subprocess
import sys
import threading
from typing import Final

from services.worker.printed.typeset import MOST_CPU_S
from shared.errors import UptillError

_MODULE: Final = "services.worker.printed.typeset"
_AT_MOST_S: Final = 2.0 * MOST_CPU_S  # a busy machine gives a process a part of the processor
_SHOWN: Final = 500
_alone: Final = threading.Lock()  # the threads of a worker share its memory limit


class NotTypeset(UptillError):
    """The pages could not be typeset within the limits of memory and time."""


def typeset_apart(data: bytes) -> bytes:
    """Return the PDF of pages given as JSON. Raises `NotTypeset`."""
    # One thread, no secrets, and no proxy: the child needs nothing of this process.
    environment = {"RAYON_NUM_THREADS": "1", "PATH": os.defpath, "LANG": "C.UTF-8"}
    try:
        with _alone:
            done = subprocess.run(
                [sys.executable, "-I", "-m", _MODULE],
                input=data,
                capture_output=True,
                timeout=_AT_MOST_S,
                env=environment,
                check=False,
            )
    except subprocess.TimeoutExpired:
        raise NotTypeset(
            f"the pages were not typeset within {_AT_MOST_S:.0f} s: choose fewer stores"
        ) from None
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF-"):
        cause = done.stderr.decode(errors="replace").strip().splitlines()
        shown = cause[-1][:_SHOWN] if cause else "no message"
        raise NotTypeset(f"typesetting ended with {done.returncode} ({shown}): choose fewer stores")
    return done.stdout
