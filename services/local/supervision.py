"""Keep servers and services running, and report whether all of them work."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from services.local.errors import LocalStackError
from services.local.kept import Kept, Program
from services.local.ports import HOST
from services.local.processes import Child, ProcessSet
from services.local.services import Service
from services.local.stopping import Stage, StopPlan

_POLL_S = 0.1
_READY_TIMEOUT_S = 120.0
_PROBE_TIMEOUT_S = 5.0


class Supervision:
    """All processes of one stack. `say` gets a line for the user about each process that ended."""

    def __init__(self, processes: ProcessSet, say: Callable[[str], None]) -> None:
        self._processes = processes
        self._say = say
        self._kept: list[Kept] = []

    @property
    def is_whole(self) -> bool:
        """Whether every process runs and has answered since its start."""
        return all(one.is_up for one in self._kept)

    def adopt(self, running: Iterable[tuple[Program, Child]], hung_after_s: float) -> None:
        """Take over servers that already answer. A server that is silent for `hung_after_s` is killed and restarted."""
        self._kept += [
            Kept(program, self._processes, self._say, child=child, hung_after_s=hung_after_s)
            for program, child in running
        ]

    def start(
        self, programs: Sequence[Program], wait: Callable[[float], None], hung_after_s: float | None = None
    ) -> None:
        """Start all, and wait with `wait(seconds)` until they are ready; meanwhile tend to what runs already.

        One that is silent for `hung_after_s` later is killed and started again. Raises `LocalStackError` when one of
        them ends, or does not answer, before it was ready.
        """
        fresh = [Kept(program, self._processes, self._say, hung_after_s=hung_after_s) for program in programs]
        deadline = time.monotonic() + _READY_TIMEOUT_S
        for one in fresh:
            while not one.program.is_ready():
                if one.child.has_ended():
                    raise LocalStackError(one.child.obituary())
                if time.monotonic() > deadline:
                    raise LocalStackError(f"{one.program.name} is not ready; see {one.child.log}")
                wait(_POLL_S)
                self.tend()
            one.note_ready()
        self._kept += fresh

    def tend(self) -> None:
        """Check each process, and restart those that ended or hang when their pause is over."""
        for one in self._kept:
            one.tend()


@dataclass(frozen=True)
class ServiceProgram:
    """A service as a program to keep running. `env` is the stack's environment."""

    service: Service
    folder: Path
    env: Mapping[str, str]

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    def start(self, processes: ProcessSet) -> Child:
        """Start its process."""
        return processes.start(
            self.name,
            self.service.command,
            cwd=self.folder,
            env={**self.env, **self.service.env},
            plan=StopPlan(Stage.SERVICE),
        )

    def is_ready(self) -> bool:
        """Return whether the service is ready."""
        return is_ready(self.service)

    def answers(self) -> bool:
        """Whether its `live_path` is answered, however; a service without one is taken to answer."""
        return self.service.live_path is None or _get_status(self.service, self.service.live_path) is not None


def is_ready(service: Service) -> bool:
    """Whether it answers its `ready_path`; one that has none is taken for ready."""
    return service.ready_path is None or _get_status(service, service.ready_path) == HTTPStatus.OK


def _get_status(service: Service, path: str) -> int | None:
    """Return the status of the answer to a GET; None without an answer."""
    if service.port is None:
        return None
    connection = HTTPConnection(HOST, service.port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
