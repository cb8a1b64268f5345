"""The API, for a command: its client with the settings' address and key. Apart from `environment`, for images without an HTTP client."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.cli.console import fail
from services.cli.environment import settings_for_command
from uptill_client import ApiError, UptillClient


@contextmanager
def api_client() -> Iterator[UptillClient]:
    """Yield a client of the API; ends the command with the API's message when it refuses."""
    settings = settings_for_command("api_url", "api_key")
    with UptillClient(
        settings.api_url, settings.api_key.get_secret_value(), ingest_url=settings.ingest_url
    ) as client:
        try:
            yield client
        except ApiError as error:
            fail(str(error))
