"""Several processes of one service answer with one set of metrics: siblings share a folder of memory-mapped counters.

`prometheus_client` reads the folder's name from the environment when it is imported, so the package's first act is to
set it. It can only once Python has told a sibling that it is one: what `shared.http.serve` imports, which a sibling loads
before that, does not count.
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
    """Choose the folder, unless the operator has, for a process that a master of uvicorn has started.

    A process that stands alone keeps its counters in its own memory.
    """
    if VARIABLE in os.environ or multiprocessing.parent_process() is None:
        return
    base = Path(tempfile.gettempdir()) / f"uptill-metrics-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    if base.stat().st_uid != os.getuid() or base.is_symlink():
        raise ConfigurationError(
            f"{base} belongs to somebody else; set {VARIABLE} to a folder of this service"
        )
    _remove_orphans(base)
    folder = base / _identity(os.getppid())
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ[VARIABLE] = str(folder)


def wait_for_turn() -> None:
    """Return once this process is the one of its siblings that serves the port; the others wait until it has ended."""
    folder = os.environ.get(VARIABLE)
    if folder:
        descriptor = os.open(Path(folder) / "port.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(
            descriptor, fcntl.LOCK_EX
        )  # held by the open file until this process ends, however it ends


def _identity(pid: int) -> str:
    """The process, told apart from an earlier one with the same number, as each first process of a container has."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        started = "0"
    return f"{pid}-{started}"


def _remove_orphans(base: Path) -> None:
    """Remove the folders of masters that have ended."""
    for folder in base.iterdir():
        pid = int(folder.name.partition("-")[0])
        if folder.name == _identity(pid) and _is_alive(pid):
            continue
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        with suppress(OSError):  # a sibling is doing the same
            folder.rmdir()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
