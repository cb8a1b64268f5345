"""Start Postgres, Valkey and SeaweedFS of one directory together. Must not know what they hold."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.local import postgres, seaweedfs, valkey
from services.local.errors import LocalStackError
from services.local.identity import claim_identity
from services.local.kept import Program
from services.local.ports import PortReservation
from services.local.processes import Child, ProcessSet

STOP_SIGNALS = {
    "postgres": postgres.STOP_SIGNAL,
    "valkey": valkey.STOP_SIGNAL,
    "seaweedfs": seaweedfs.STOP_SIGNAL,
}
_POLL_S = 0.05
PORT_NAMES = ("postgres", "valkey", *seaweedfs.PORT_NAMES)
# After a crash, Postgres may have gigabytes of log to replay.
_START_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Endpoints:
    """Addresses and credentials of the three servers. `database_url` is the superuser's, for the database `postgres`."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    s3_endpoint: str
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)


@dataclass(frozen=True)
class RunningServers:
    """The servers' addresses, their processes, and the programs that can start them again."""

    endpoints: Endpoints
    children: Sequence[Child]
    servers: Sequence[Program]


def reserve_ports(directory: Path) -> PortReservation:
    """Reserve the servers' ports, so that a restarted server gets its own port again.

    Without this the kernel may give the port to any program, even to a client that tries to reach the server.
    """
    return claim_identity(directory, PORT_NAMES)[1]


def start_servers(
    directory: Path,
    processes: ProcessSet,
    *,
    durable: bool = True,
    redis_databases: int = 16,
    checkpoint: Callable[[], None] = lambda: None,
) -> RunningServers:
    """Start the servers whose data is in `directory` and wait until all of them answer.

    `checkpoint` is called repeatedly while waiting and may raise to give up. Raises `LocalStackError` if a server ends
    or does not answer; `processes` then still holds the others.
    """
    identity, reservation = claim_identity(directory, PORT_NAMES)
    ports = identity.ports
    objects = seaweedfs.SeaweedFS(directory, ports, identity.s3_access_key, identity.s3_secret_key, durable)
    queue = valkey.Valkey(directory, ports["valkey"], identity.valkey_password, redis_databases)
    database = postgres.Postgres(directory, ports["postgres"], identity.postgres_password, durable)
    with reservation:
        # The slowest to start is first.
        servers: list[Program] = [objects, queue, database]
        started = [(server, server.start(processes)) for server in servers]
        _await_ready(started, checkpoint)
    endpoints = Endpoints(
        database.url(), queue.url(), objects.endpoint, identity.s3_access_key, identity.s3_secret_key
    )
    return RunningServers(endpoints, [child for _, child in started], servers)


def _await_ready(started: list[tuple[Program, Child]], checkpoint: Callable[[], None]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    waiting = started
    while waiting:
        checkpoint()
        for _, child in started:
            if child.has_ended():
                raise LocalStackError(child.obituary())
        if time.monotonic() > deadline:
            late = ", ".join(child.name for _, child in waiting)
            raise LocalStackError(
                f"{late}: no answer after {_START_TIMEOUT_S:.0f} s; see {waiting[0][1].log}"
            )
        waiting = [(server, child) for server, child in waiting if not server.is_ready()]
        time.sleep(_POLL_S)
