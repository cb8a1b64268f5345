"""Let the processes of one service answer with one set of metrics, in a shared folder of memory-mapped counters.

`prometheus_client` reads the folder's name from the environment when it is imported, so this package sets it first. A
child process recognizes itself by `multiprocessing.parent_process()`, which is still None while `shared.http.serve` is
imported. So that module must not import this package.
"""

import fcntl
import multiprocessing
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from shared.errors import ConfigurationError

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_between_siblings() -> None:
    """Set the folder for a process that a master started (uvicorn's or Dramatiq's), unless the operator has set it.

    A single process keeps its counters in its own memory.
    """
    if VARIABLE in os.environ or multiprocessing.parent_process() is None:
        return
    base = Path(tempfile.gettempdir()) / f"uptill-metrics-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    if base.stat().st_uid != os.getuid() or base.is_symlink():
        raise ConfigurationError(
            f"{base} belongs to another user; set {VARIABLE} to a folder of this service"
        )
    _remove_orphans(base)
    folder = base / _identify_process(os.getppid())
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ[VARIABLE] = str(folder)


def wait_for_turn() -> None:
    """Return once this process is the sibling that serves the port. The others wait until it has ended."""
    folder = os.environ.get(VARIABLE)
    if folder:
        descriptor = os.open(Path(folder) / "port.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        # The open file holds the lock until this process ends, however it ends.
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _identify_process(pid: int) -> str:
    """Identify a process by number and start time. In containers, every first process has the same number."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        started = "0"
    return f"{pid}-{started}"


def _remove_orphans(base: Path) -> None:
    """Remove the folders of masters that have ended."""
    for folder in base.iterdir():
        pid = int(folder.name.partition("-")[0])
        if folder.name == _identify_process(pid) and _is_alive(pid):
            continue
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        # A sibling may be doing the same.
        with suppress(OSError):
            folder.rmdir()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
