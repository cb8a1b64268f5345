"""`-q` and `-v`: the notes of this process, and the log level of the processes it starts."""

import logging
import os

from services.cli.console import silence
from shared.settings import PREFIX


def set_verbosity(*, quiet: bool) -> None:
    """Print only results and errors if `quiet`, else log everything."""
    os.environ[f"{PREFIX}LOG_LEVEL"] = "ERROR" if quiet else "DEBUG"
    if quiet:
        silence()
    else:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("uptill_client").setLevel(logging.DEBUG)
