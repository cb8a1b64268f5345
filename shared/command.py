"""Run a command so that every failure ends with one message and an exit code, never with a traceback."""

import os
import sys
from collections.abc import Callable

from shared.errors import UptillError
from shared.exit_codes import INTERRUPTED, ExitCode, exit_code_of
from shared.explain import explain, name_os_error

# Set by `uptill -v`.
VERBOSE = "DEBUG"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def run_command(command: Callable[[], object]) -> None:
    """Run a command to its end. Print what went wrong on standard error and exit with a documented code."""
    _reach_this_machine_directly()
    try:
        command()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of a pipe has left, as `head` does. Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(ExitCode.FAILED) from None
    except UptillError as error:
        _end(explain(error), exit_code_of(error))
    except OSError as error:
        _end(name_os_error(error), ExitCode.FAILED)
    except Exception as error:
        if os.environ.get("UPTILL_LOG_LEVEL") == VERBOSE:
            raise
        _end(
            f"unexpected error ({type(error).__name__}: {str(error)[:300]}). This is a bug in Uptill."
            " Run `uptill -v …` to see where it happened.",
            ExitCode.FAILED,
        )


def _reach_this_machine_directly() -> None:
    """Let no HTTP proxy of the environment stand between the command and servers on this machine."""
    if any(os.environ.get(name) for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")):
        direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, (direct, *_LOOPBACK)))


def _end(message: str, code: ExitCode) -> None:
    sys.stderr.write(f"error: {message}\n")
    raise SystemExit(code)
