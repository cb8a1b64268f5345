"""One node: a Patroni and the Postgres that it starts. Both are killed, frozen and woken together, as a machine is."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import psutil

from services.local.ports import HOST
from services.local.processes import Child, ProcessSet
from services.local.stopping import Stage, StopPlan
from tests.ha.patroni import patroni_command, patroni_environment
from tests.ha.programs import as_owner_of


class Node:
    """Start it, and then do what may happen to a machine."""

    def __init__(
        self, directory: Path, name: str, ports: tuple[int, int], *, etcd: str, password: str
    ) -> None:
        self.name, self.port = name, ports[0]
        self._api = f"http://{HOST}:{ports[1]}"
        self._directory = directory
        directory.mkdir(mode=0o700)
        self._prefix = as_owner_of(directory)
        self._env = patroni_environment(directory, name, ports, etcd=etcd, password=password)
        self._child: Child | None = None

    def start(self, processes: ProcessSet) -> None:
        """Start Patroni, which starts Postgres in its turn."""
        self._child = processes.start(
            self.name,
            [*self._prefix, *patroni_command()],
            cwd=self._directory,
            env=self._env,
            plan=StopPlan(Stage.SERVER),
        )

    def kill(self) -> None:
        """Let the machine lose its power."""
        self._signal(signal.SIGKILL)
        if self._child is not None:
            self._child.popen.wait()

    def freeze(self) -> None:
        """Let the machine stand still."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let the machine go on where it was, as if no time had passed."""
        self._signal(signal.SIGCONT)

    def answers(self, check: str) -> bool:
        """Return whether Patroni answers a health check with success: `primary`, or `quorum` of a standby that counts."""
        try:
            return httpx2.get(f"{self._api}/{check}", timeout=5, verify=False).is_success
        except httpx2.HTTPError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        # Twice, because a postmaster may have started a process meanwhile.
        for _ in range(2):
            for process in self._processes():
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def _processes(self) -> Iterator[psutil.Process]:
        """Patroni first: it would start a killed Postgres again."""
        if self._child is not None and not self._child.has_ended():
            yield self._child.running.process
        data = str(self._directory / "data")
        for process in psutil.process_iter(["name", "cwd"]):
            if process.info["name"] == "postgres" and process.info["cwd"] == data:
                yield process
