"""The settings of a command: the environment, then the `env` file of a stack started in this folder."""

from services.cli.console import fail
from shared.errors import ConfigurationError
from shared.exit_codes import ExitCode
from shared.settings import Settings, load_settings, stack_env_file


def settings_for_command(*needed: str) -> Settings:
    """Load the settings; ends the command with a message when one that it needs is not set."""
    try:
        return load_settings(stack_env_file()).require(*needed)
    except ConfigurationError as error:
        fail(f"{error}. Is a stack running here (`uptill up`)?", code=ExitCode.WRONG_USE)
