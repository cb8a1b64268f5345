"""One etcd server, in which the nodes under Patroni agree on their leader. In production there are three."""

import base64
import os
from pathlib import Path

import httpx2

from services.local.ports import HOST
from services.local.processes import ProcessSet
from services.local.stopping import Stage, StopPlan
from tests.fixtures.services import answers, wait_until
from tests.ha.programs import ENVIRONMENT, find_ha_program


class Etcd:
    """A server in memory, on two ports: one for clients, one for other servers, which it does not have."""

    def __init__(self, directory: Path, ports: tuple[int, int]) -> None:
        self._directory = directory
        self.host = f"{HOST}:{ports[0]}"
        self._client, self._peer = f"http://{self.host}", f"http://{HOST}:{ports[1]}"

    def start(self, processes: ProcessSet) -> None:
        """Start the server, and wait until it answers."""
        options = {
            "data-dir": str(self._directory),
            "listen-client-urls": self._client,
            "advertise-client-urls": self._client,
            "listen-peer-urls": self._peer,
            "initial-advertise-peer-urls": self._peer,
            "initial-cluster": f"default={self._peer}",
        }
        processes.start(
            "etcd",
            [find_ha_program("etcd"), *(f"--{name}={value}" for name, value in options.items())],
            cwd=self._directory.parent,
            # Debian's etcd refuses some processors unless this is set.
            env={**ENVIRONMENT, "ETCD_UNSUPPORTED_ARCH": os.uname().machine.replace("aarch64", "arm64")},
            plan=StopPlan(Stage.SERVER),
        )
        wait_until(lambda: answers(f"{self._client}/health"), "etcd")

    def read(self, key: str) -> str | None:
        """Return the value of a key, or None if there is no such key."""
        wanted = base64.b64encode(key.encode()).decode()
        answer = httpx2.post(f"{self._client}/v3/kv/range", json={"key": wanted}, timeout=5, verify=False)
        found = answer.raise_for_status().json().get("kvs")
        return base64.b64decode(found[0]["value"]).decode() if found else None
