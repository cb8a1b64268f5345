"""The embedded stack: lock the folder, start servers and services, watch them, stop them in reverse order."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services.local.contents import prepare_bucket, prepare_database, prepare_key, prepare_logins
from services.local.errors import LocalStackError
from services.local.lock import locked, stop_strays
from services.local.ports import HOST, PortReservation, is_free
from services.local.processes import ProcessSet
from services.local.servers import STOP_SIGNALS, Endpoints, reserve_ports, start_servers
from services.local.services import DATABASE_URL, METRICS_OPTION, Service, uptill_services, with_logins
from services.local.settings_file import read_settings, service_environment, write_settings
from services.local.stop_signals import StopFlag
from services.local.supervision import ServiceProgram, Supervision

_WATCH_EVERY_S = 0.2


@dataclass(frozen=True)
class StackOptions:
    """`services` replaces Uptill's own. What was silent for `hung_after_s` is killed and started again."""

    data: Path
    port: int = 8000
    ingest_port: int = 8001
    workers: int = 2
    metrics_port: int | None = None
    hung_after_s: float = 60.0
    services: tuple[Service, ...] | None = None


def run_stack(
    options: StackOptions,
    stop: StopFlag,
    note: Callable[[str], None],
    on_ready: Callable[[Mapping[str, str]], None],
) -> None:
    """Run until `stop` raises `StopRequested`. Leaves no process behind.

    `on_ready` gets the settings once everything runs; `note` gets one line per event. Raises `LocalStackError` or
    another `UptillError` if something cannot start.
    """
    directory = options.data.resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    services = options.services or uptill_services(
        port=options.port,
        ingest_port=options.ingest_port,
        workers=options.workers,
        metrics_port=options.metrics_port,
    )
    ready, services_folder = directory / "ready", directory / "services"
    with locked(directory, stop.wait) as lock:
        ready.unlink(missing_ok=True)
        strays = {services_folder: signal.SIGTERM} | {
            directory / name: by for name, by in STOP_SIGNALS.items()
        }
        stop_strays(strays)
        with (
            _reserved_ports(services),
            reserve_ports(directory),
            ProcessSet(directory / "logs", held=[lock], remove_at_end=[ready]) as processes,
        ):
            services_folder.mkdir(mode=0o700, exist_ok=True)
            try:
                supervision, settings = _start_all(options, services, directory, processes, stop, note)
                write_settings(directory / "env", settings)
                _show_whether(ready, is_ready=True)
                on_ready(settings)
                _watch_all(processes, supervision, ready, stop)
            finally:
                ready.unlink(missing_ok=True)


def _start_all(
    options: StackOptions,
    services: Sequence[Service],
    directory: Path,
    processes: ProcessSet,
    stop: StopFlag,
    note: Callable[[str], None],
) -> tuple[Supervision, dict[str, str]]:
    """Start and prepare the servers, then start the services. Return their supervision and the settings."""
    note("starting Postgres, Valkey and SeaweedFS …")
    servers = start_servers(directory, processes, checkpoint=stop.checkpoint)
    supervision = Supervision(processes, note)
    supervision.adopt(zip(servers.servers, servers.children, strict=True), options.hung_after_s)
    settings = _make_settings(servers.endpoints, options, read_settings(directory / "env")) | {
        "UPTILL_SPOOL_DIR": str(directory / "spool")
    }
    env = service_environment(settings)
    env.pop("UPTILL_API_KEY", None)  # for commands; no service needs an administrator's key
    logins = prepare_logins(settings[DATABASE_URL])
    programs = [
        ServiceProgram(service, directory / "services", env) for service in with_logins(services, logins)
    ]
    supervision.start(programs, stop.wait, options.hung_after_s)
    return supervision, settings


def _reserved_ports(services: tuple[Service, ...]) -> PortReservation:
    wanted: dict[str, int] = {}
    for service in services:
        for name, port, option in (
            (service.name, service.port, service.port_option),
            (f"metrics of {service.name}", service.metrics_port, METRICS_OPTION),
        ):
            if port is None:
                continue
            if port in wanted.values() or not is_free(port):
                raise LocalStackError(
                    f"port {port}, needed for the {name}, is taken by another program. "
                    f"Choose another port with {option}."
                )
            wanted[name] = port
    # Without the reservation, one of our own servers might get such a port.
    return PortReservation(wanted, wanted)


def _make_settings(endpoints: Endpoints, options: StackOptions, earlier: dict[str, str]) -> dict[str, str]:
    database_url = prepare_database(endpoints)
    return {
        DATABASE_URL: database_url,
        "UPTILL_REDIS_URL": endpoints.redis_url,
        "UPTILL_S3_ENDPOINT": endpoints.s3_endpoint,
        "UPTILL_S3_PUBLIC_ENDPOINT": endpoints.s3_endpoint,
        "UPTILL_S3_BUCKET": prepare_bucket(endpoints),
        "UPTILL_S3_ACCESS_KEY": endpoints.s3_access_key,
        "UPTILL_S3_SECRET_KEY": endpoints.s3_secret_key,
        "UPTILL_API_URL": f"http://{HOST}:{options.port}",
        "UPTILL_INGEST_URL": f"http://{HOST}:{options.ingest_port}",
        "UPTILL_API_KEY": prepare_key(database_url, earlier.get("UPTILL_API_KEY")),
    }


def _watch_all(processes: ProcessSet, supervision: Supervision, ready: Path, stop: StopFlag) -> None:
    while True:
        stop.wait(_WATCH_EVERY_S)
        if not processes.keeper_is_alive():
            raise LocalStackError(
                "the process that cleans up after a crash has ended, so the stack was stopped; start it again"
            )
        supervision.tend()
        _show_whether(ready, is_ready=supervision.is_whole)


def _show_whether(ready: Path, *, is_ready: bool) -> None:
    """Keep the file only while everything runs. If the disk is full, the next round tries again."""
    with suppress(OSError):
        if not is_ready:
            ready.unlink(missing_ok=True)
        elif not ready.exists():
            ready.write_text(f"{os.getpid()}\n", encoding="utf-8")
