"""The programs that `make test-ha` brings into a virtual environment of their own, and how they are run."""

import os
from pathlib import Path

from services.local.unprivileged import command_prefix, owner_for

_BIN = Path(__file__).parents[2] / ".venv-ha" / "bin"
POSTGRES_OWNER = "uptill"
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def find_ha_program(name: str) -> str:
    """Return the path of etcd or Patroni. Raise if `make test-ha` has not brought it yet."""
    program = _BIN / name
    if not program.exists():
        raise FileNotFoundError(f"{program} is missing: run `make test-ha`, which installs it")
    return str(program)


def as_owner_of(folder: Path) -> list[str]:
    """Give the folder to the user that Postgres runs as, and return what to put before a command of that user."""
    owner = owner_for(folder)
    os.chown(folder, owner, -1)
    return command_prefix(owner)
