"""Running other programs: no standard input, and an error that shows what the program said last."""

import os
import subprocess
from collections.abc import Mapping

Environment = Mapping[str, str]
_SHOWN_LINES = 40


class CommandFailed(Exception):
    """A program ended with an error; the text holds its last words."""


def run(*arguments: str, env: Environment | None = None, within_s: float = 3600) -> str:
    """Run a program to its end and return its standard output. Raises `CommandFailed`."""
    ended = subprocess.run(
        arguments,
        env=dict(os.environ) | dict(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    if ended.returncode != 0:
        said = "\n".join((ended.stdout + ended.stderr).splitlines()[-_SHOWN_LINES:])
        raise CommandFailed(f"`{' '.join(arguments)}` ended with {ended.returncode}:\n{said}")
    return ended.stdout


def succeeds(*arguments: str, env: Environment | None = None) -> bool:
    """Whether a program is there and ends well."""
    try:
        run(*arguments, env=env)
    except (CommandFailed, OSError):
        return False
    return True
