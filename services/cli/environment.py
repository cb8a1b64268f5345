"""Settings of a command: environment variables first, then the `env` file of a stack in this folder."""

from services.cli.console import fail
from shared.errors import ConfigurationError
from shared.exit_codes import ExitCode
from shared.settings import Settings, load_settings, stack_env_file


def settings_for_command(*needed: str) -> Settings:
    """Load the settings. Ends the command with a message if one of the `needed` settings is missing."""
    try:
        return load_settings(stack_env_file()).require(*needed)
    except ConfigurationError as error:
        fail(f"{error}. Is a stack running here (`uptill up`)?", code=ExitCode.WRONG_USE)
