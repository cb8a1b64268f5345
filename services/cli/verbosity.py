"""What `-q` and `-v` change: the notes of this process, and the log level of what it starts."""

import logging
import os

from services.cli.console import silence
from shared.settings import PREFIX


def set_verbosity(*, quiet: bool) -> None:
    """Say no more than results and errors, or log everything."""
    os.environ[f"{PREFIX}LOG_LEVEL"] = "ERROR" if quiet else "DEBUG"
    if quiet:
        silence()
    else:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("uptill_client").setLevel(logging.DEBUG)
