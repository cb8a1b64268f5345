"""The files of `-o`: checked before a report is made, so that a wrong path costs no report."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from services.cli.console import fail
from shared.exit_codes import ExitCode
from shared.explain import name_os_error

_END_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def check_output(path: Path) -> None:
    """End the command with a message unless a file can be written at `path`. An existing file will be replaced."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        fail(f"-o {path} is a folder: name a file in it", code=ExitCode.WRONG_USE)
    if not target.parent.is_dir():
        fail(f"-o {path}: the folder {target.parent} does not exist: create it", code=ExitCode.WRONG_USE)
    place = target if _is_special(target) else target.parent
    if not os.access(place, os.W_OK):
        fail(f"-o {path}: no permission to write to {place}", code=ExitCode.WRONG_USE)


@contextmanager
def write_errors_named(what: str, report_id: str) -> Iterator[None]:
    """End the command with a message if the file cannot be written. The report itself is not lost."""
    try:
        yield
    except BrokenPipeError:
        # The reader of standard output has all it wants.
        raise
    except OSError as error:
        fail(
            f"cannot write {what}: {name_os_error(error)}. The report is kept:"
            f" `uptill reports download {report_id} -o FILE` writes it elsewhere"
        )


@contextmanager
def unwinding_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise SystemExit while the block runs, so that no partial file is left."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in _END_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_special(path: Path) -> bool:
    """Return whether this is a device or a pipe, which is written to and not replaced."""
    return path.exists() and not path.is_file()
