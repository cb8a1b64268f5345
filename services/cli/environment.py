"""Where a command finds its settings: the environment, then the `env` file of a stack started in this folder."""

import os
from pathlib import Path

from services.cli.console import fail
from shared.errors import ConfigurationError
from shared.settings import Settings, load_settings

DEFAULT_DATA_DIR = Path(".uptill")


def env_file() -> Path | None:
    """The file that `uptill up` wrote: of the folder that UPTILL_DATA names, or of `.uptill` here."""
    path = Path(os.environ.get("UPTILL_DATA", DEFAULT_DATA_DIR)) / "env"
    return path if path.is_file() else None


def settings_for_command(*needed: str) -> Settings:
    """Load the settings; ends the command with a message when one that it needs is not set."""
    try:
        return load_settings(env_file()).require(*needed)
    except ConfigurationError as error:
        fail(f"{error}. Is a stack running here (`uptill up`)?")
