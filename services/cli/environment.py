"""The settings of a command: the environment, then the `env` file of a stack started in this folder."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.cli.client import ApiError, UptillClient
from services.cli.console import fail
from shared.errors import ConfigurationError
from shared.settings import Settings, load_settings, stack_env_file


def settings_for_command(*needed: str) -> Settings:
    """Load the settings; ends the command with a message when one that it needs is not set."""
    try:
        return load_settings(stack_env_file()).require(*needed)
    except ConfigurationError as error:
        fail(f"{error}. Is a stack running here (`uptill up`)?")


@contextmanager
def api_client() -> Iterator[UptillClient]:
    """Yield a client of the API; ends the command with the API's message when it refuses."""
    settings = settings_for_command("api_url", "api_key")
    with UptillClient(settings.api_url, settings.api_key.get_secret_value()) as client:
        try:
            yield client
        except ApiError as error:
            fail(str(error))
