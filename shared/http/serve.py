"""Run an HTTP service under uvicorn with limits on connections, headers and shutdown time."""

import argparse
import resource
from collections.abc import Callable, Sequence

import uvicorn

from shared.http.connection import PatientProtocol
from shared.http.startup import exiting_plainly
from shared.settings import load_settings
from shared.stop_signals import leave_when_asked
from shared.telemetry import configure_logging

_HEADER_BYTES = 32 << 10  # request line and headers together
_KEEP_ALIVE_S = 15
_CONNECTIONS = 4096
_ANSWERS_END_WITHIN_S = 20
_FILES = 65_536


def serve(
    service: str, factory: str, default_port: int, needed: Sequence[str], *, has_siblings: bool = True
) -> None:
    """Run until SIGTERM. If a setting is invalid, or one of the `needed` is missing, log the reason and exit with 1.

    `has_siblings`: several processes may share the port.
    """
    configure_logging(service, "INFO")
    arguments = _parse_arguments(service, default_port, has_siblings=has_siblings)
    _allow_open_files()
    leave_when_asked()
    if arguments.workers > 1:
        # Or uvicorn would start workers that end at once, again and again.
        with exiting_plainly():
            load_settings().require(*needed)
    uvicorn.run(
        factory,
        factory=True,
        host=arguments.host,
        port=arguments.port,
        workers=arguments.workers,
        http=PatientProtocol,
        ws="none",
        h11_max_incomplete_event_size=_HEADER_BYTES,
        limit_concurrency=arguments.connections,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=arguments.stop_within,
        server_header=False,
        log_config=None,
        access_log=False,  # shared/http/observe.py writes the line of a request
    )


def _parse_arguments(service: str, default_port: int, *, has_siblings: bool) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"Uptill's {service} service; settings come from UPTILL_*.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_number(0, 65_535), default=default_port)
    if has_siblings:
        parser.add_argument(
            "--workers", type=_number(1, 1024), default=1, help="number of processes that share the port"
        )
    else:
        parser.set_defaults(workers=1)
    parser.add_argument(
        "--connections",
        type=_number(1, _FILES),
        default=_CONNECTIONS,
        help="open connections per process; above it, unauthenticated and idle connections are closed, then requests get 503",
    )
    parser.add_argument(
        "--stop-within",
        type=_number(0, 86_400),
        default=_ANSWERS_END_WITHIN_S,
        help="seconds to finish open requests when stopping",
    )
    return parser.parse_args()


def _number(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers between two bounds."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a number from {least} to {most}, not {text!r}")
        return int(text)

    return parse


def _allow_open_files() -> None:
    """Raise the soft limit of open files: each connection needs one, and the usual 1024 exists for select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
