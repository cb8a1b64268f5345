"""The services of the stack as data: what to run, and how to tell that it is ready."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from services.cli.local.ports import HOST

_PYTHON = (sys.executable, "-P", "-m")  # -P: nothing in the working folder can stand in for our packages
_REQUESTS_END_WITHIN_S = 10
METRICS_PORT = "UPTILL_METRICS_PORT"
METRICS_OPTION = "--metrics-port"


@dataclass(frozen=True)
class Service:
    """One process that is started again when it ends. `port_option` is how a user moves it to another port.

    `metrics_port`: where it is to serve its metrics; None: nowhere.
    """

    name: str
    command: tuple[str, ...]
    port: int | None = None
    port_option: str = ""
    ready_path: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    metrics_port: int | None = None


def uptill_services(
    *, port: int, ingest_port: int, workers: int, metrics_port: int | None = None
) -> tuple[Service, ...]:
    """The API on `port`, the ingest service on `ingest_port`, the scheduler and the workers.

    In this order they serve their metrics on `metrics_port` and the ports after it.
    """
    worker = (*_PYTHON, "services.worker.main")
    services = (
        _web_service("api", "services.api", port, "--port"),
        _web_service("ingest", "services.ingest.http", ingest_port, "--ingest-port"),
        Service("scheduler", (*_PYTHON, "services.worker.scheduler")),
        *(Service(f"worker-{number}", worker) for number in range(1, workers + 1)),
    )
    if metrics_port is None:
        return services
    return tuple(
        replace(service, metrics_port=metrics_port + number, env={METRICS_PORT: str(metrics_port + number)})
        for number, service in enumerate(services)
    )


def _web_service(name: str, module: str, port: int, port_option: str) -> Service:
    command = (
        *_PYTHON,
        module,
        f"--host={HOST}",
        f"--port={port}",
        f"--stop-within={_REQUESTS_END_WITHIN_S}",
    )
    return Service(name, command, port=port, port_option=port_option, ready_path="/readyz")
