"""The processor time of programs and all their children, so that a figure can be judged on a machine with other work."""

from collections.abc import Mapping, Sequence

import psutil


def cpu_seconds(roots: Mapping[str, int]) -> Mapping[str, float]:
    """Return the seconds of processor that each program has used so far, by name. `roots`: their process ids."""
    return {name: sum(map(_own_seconds, _family(pid))) for name, pid in roots.items()}


def _family(pid: int) -> Sequence[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _own_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # it ended meanwhile
        return 0.0
    return times.user + times.system + times.children_user + times.children_system
