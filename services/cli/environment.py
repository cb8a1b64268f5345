"""Settings of a command: environment variables first, then the `env` file of a stack in this folder."""

from services.cli.console import fail
from shared.errors import ConfigurationError
from shared.exit_codes import ExitCode
from shared.settings import Settings, load_command_settings


def settings_for_command(*needed: str) -> Settings:
    """Load the settings. Ends the command with a message if one is invalid, or one of the `needed` is missing."""
    try:
        return load_command_settings(*needed)
    except ConfigurationError as error:
        fail(str(error), code=ExitCode.WRONG_USE)
