"""The services of the stack: the command, ports and login of each."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.local.ports import HOST

# -P: packages in the working folder cannot replace ours.
_PYTHON = (sys.executable, "-P", "-m")
_REQUESTS_END_WITHIN_S = 10
DATABASE_URL = "UPTILL_DATABASE_URL"
METRICS_PORT = "UPTILL_METRICS_PORT"
METRICS_OPTION = "--metrics-port"


@dataclass(frozen=True)
class Service:
    """One process that is restarted when it ends. `port_option` is the option that changes its port.

    `metrics_port` is None if it serves no metrics. `role` is the group role of its database login.
    """

    name: str
    command: tuple[str, ...]
    port: int | None = None
    port_option: str = ""
    ready_path: str | None = None
    live_path: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    metrics_port: int | None = None
    role: str | None = None


def uptill_services(
    *, port: int, ingest_port: int, workers: int, metrics_port: int | None = None
) -> tuple[Service, ...]:
    """Return the API on `port`, the ingest service on `ingest_port`, the scheduler and the workers.

    They serve their metrics on `metrics_port` and the ports after it, in this order.
    """
    worker = (*_PYTHON, "services.worker")
    services = (
        _web_service("api", "services.api", port, "--port", "uptill_api"),
        _web_service("ingest", "services.ingest.http", ingest_port, "--ingest-port", "uptill_ingest"),
        Service("scheduler", (*_PYTHON, "services.scheduler"), role="uptill_worker"),
        *(Service(f"worker-{number}", worker, role="uptill_worker") for number in range(1, workers + 1)),
    )
    if metrics_port is None:
        return services
    return tuple(
        replace(service, metrics_port=metrics_port + number, env={METRICS_PORT: str(metrics_port + number)})
        for number, service in enumerate(services)
    )


def with_logins(services: Sequence[Service], logins: Mapping[str, str]) -> list[Service]:
    """Give each service with a role the database URL of that role's login instead of the owner's."""
    return [
        replace(service, env={**service.env, DATABASE_URL: logins[service.role]})
        if service.role is not None
        else service
        for service in services
    ]


def _web_service(name: str, module: str, port: int, port_option: str, role: str) -> Service:
    command = (
        *_PYTHON,
        module,
        f"--host={HOST}",
        f"--port={port}",
        f"--stop-within={_REQUESTS_END_WITHIN_S}",
    )
    return Service(
        name,
        command,
        port=port,
        port_option=port_option,
        ready_path="/readyz",
        live_path="/livez",
        role=role,
    )
