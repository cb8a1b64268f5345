"""`DIR/env`: the stack's settings as `UPTILL_X=value` lines, for shells, commands and services."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from services.local.private_file import write_private


def write_settings(path: Path, settings: Mapping[str, str]) -> None:
    """Write the file, which holds secrets, with mode 0600."""
    write_private(path, "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items()))


def read_settings(path: Path) -> dict[str, str]:
    """Return the settings in the file; none if it does not exist."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines)
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


def service_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with the stack's settings, which override `UPTILL_X` and `UPTILL_X_FILE`."""
    overridden = {*settings, *(f"{name}_FILE" for name in settings)}
    return {name: value for name, value in os.environ.items() if name not in overridden} | dict(settings)
