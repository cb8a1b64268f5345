"""Keeps the services running: starts them, waits for those that say when they are ready, starts again what ended."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from services.cli.local.errors import LocalStackError
from services.cli.local.ports import HOST
from services.cli.local.processes import Child, ProcessSet
from services.cli.local.services import Service
from services.cli.local.stopping import Stage

_POLL_S = 0.1
_READY_TIMEOUT_S = 120.0
_PROBE_TIMEOUT_S = 5.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_STEADY_AFTER_S = 60.0  # a service that ran this long starts again with the first pause


@dataclass
class _Watched:
    service: Service
    child: Child
    started_s: float
    pause_s: float = _FIRST_PAUSE_S
    restart_s: float | None = None  # on the monotonic clock; None while it runs


class Supervision:
    """The services of one stack. `say` gets a line for the user about each one that ended."""

    def __init__(
        self, processes: ProcessSet, folder: Path, env: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self._processes = processes
        self._folder = folder
        self._env = env
        self._say = say
        self._watched: list[_Watched] = []

    def start(self, services: Sequence[Service], wait: Callable[[float], None]) -> None:
        """Start all, and wait with `wait(seconds)` for those with a `ready_path`.

        Raises `LocalStackError` when one of them ends, or does not answer, before it was ready.
        """
        self._watched = [_Watched(service, self._launch(service), time.monotonic()) for service in services]
        deadline = time.monotonic() + _READY_TIMEOUT_S
        for one in self._watched:
            while not is_ready(one.service):
                if one.child.has_ended():
                    raise LocalStackError(one.child.obituary())
                if time.monotonic() > deadline:
                    raise LocalStackError(f"{one.service.name} is not ready; see {one.child.log}")
                wait(_POLL_S)

    def tend(self) -> None:
        """Notice what ended; start it again after a pause that doubles with each end in a row."""
        now_s = time.monotonic()
        for one in self._watched:
            if one.restart_s is None and one.child.has_ended():
                if now_s - one.started_s > _STEADY_AFTER_S:
                    one.pause_s = _FIRST_PAUSE_S
                self._say(f"{one.child.obituary()}\nStarting {one.service.name} again in {one.pause_s:g} s.")
                one.restart_s = now_s + one.pause_s
                one.pause_s = min(2 * one.pause_s, _LONGEST_PAUSE_S)
            elif one.restart_s is not None and now_s >= one.restart_s:
                one.child, one.started_s, one.restart_s = self._launch(one.service), now_s, None

    def _launch(self, service: Service) -> Child:
        return self._processes.start(
            service.name,
            service.command,
            cwd=self._folder,
            env={**self._env, **service.env},
            stage=Stage.SERVICE,
        )


def is_ready(service: Service) -> bool:
    """Whether it answers its `ready_path`; one that has none is taken for ready."""
    if service.port is None or service.ready_path is None:
        return True
    connection = HTTPConnection(HOST, service.port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", service.ready_path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
