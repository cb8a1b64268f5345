"""Three nodes and their etcd. A commit is acknowledged once two nodes have it, and never by one node alone."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe

from services.local.ports import HOST, PortReservation
from services.local.processes import ProcessSet
from tests.fixtures.services import wait_until
from tests.ha.etcd import Etcd
from tests.ha.node import Node
from tests.ha.patroni import SCOPE
from tests.ha.programs import POSTGRES_OWNER

_NAMES = ("node-1", "node-2", "node-3")
_MEMORY = Path("/dev/shm")
_HEALTHY_WITHIN_S = 180.0
_SESSION = "target_session_attrs=read-write&connect_timeout=3"  # for each host: a frozen one never answers


class Cluster:
    """The nodes by name, and which of them leads."""

    def __init__(self, directory: Path, processes: ProcessSet, reserved: PortReservation) -> None:
        self._processes = processes
        self._password = token_urlsafe(16)
        ports = reserved.ports
        self._etcd = Etcd(directory / "etcd", (ports["etcd"], ports["etcd-peer"]))
        self._etcd.start(processes)
        self.nodes = {
            name: Node(
                directory / name,
                name,
                (ports[name], ports[f"{name}-patroni"]),
                etcd=self._etcd.host,
                password=self._password,
            )
            for name in _NAMES
        }

    def url(self, database: str, *nodes: str) -> str:
        """Return the owner's address of a database, on whichever node takes writes, of all or of the named ones."""
        hosts = ",".join(f"{HOST}:{self.nodes[name].port}" for name in nodes or _NAMES)
        return f"postgresql://{POSTGRES_OWNER}:{self._password}@{hosts}/{database}?{_SESSION}"

    def start(self) -> None:
        """Start every node that is not running, and wait until all are in step."""
        for node in self.nodes.values():
            node.start(self._processes)
        self.await_health()

    def restart(self, name: str) -> None:
        """Start a killed node again."""
        self.nodes[name].start(self._processes)

    def await_leader(self, *, other_than: str | None = None) -> str:
        """Wait until a node holds the leader's key in etcd, and return its name."""
        found: list[str] = []

        def leads() -> bool:
            leader = self._etcd.read(f"/service/{SCOPE}/leader")
            found[:] = [leader] if leader not in {None, other_than} else []
            return bool(found)

        wait_until(leads, "a leader", within_s=_HEALTHY_WITHIN_S, every_s=0.02)
        return found[0]

    def await_health(self) -> None:
        """Wait until one node leads and the others follow it, one of them synchronously."""
        wait_until(self._is_healthy, "all nodes in step", within_s=_HEALTHY_WITHIN_S, every_s=0.2)

    def _is_healthy(self) -> bool:
        """Return whether a commit has to reach one of all the others, so that any of them may lead next."""
        nodes = self.nodes.values()
        leads = [node.answers("primary") for node in nodes]
        follows = [node.answers("quorum?replication_state=streaming") for node in nodes]
        return sum(leads) == 1 and sum(follows) == len(_NAMES) - 1

    def close(self) -> None:
        for node in self.nodes.values():
            node.kill()


@contextmanager
def patroni_cluster(logs: Path) -> Iterator[Cluster]:
    """Yield a cluster whose nodes are in step. Its data is in memory, and its logs are in `logs`."""
    memory = _MEMORY if _MEMORY.is_dir() else None
    names = ["etcd", "etcd-peer", *_NAMES, *(f"{name}-patroni" for name in _NAMES)]
    directory = Path(tempfile.mkdtemp(prefix="uptill-ha-", dir=memory))
    try:
        directory.chmod(0o755)
        with PortReservation(names, {}) as reserved, ProcessSet(logs) as processes:
            cluster = Cluster(directory, processes, reserved)
            try:
                cluster.start()
                yield cluster
            finally:
                cluster.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
