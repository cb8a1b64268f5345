"""Connect a command to the API, and map each refusal to an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from services.cli.console import fail
from services.cli.environment import settings_for_command
from shared.exit_codes import ExitCode
from uptill_client import ApiError, NotReachable, UptillClient

_CODES = {
    HTTPStatus.UNAUTHORIZED: ExitCode.NOT_ALLOWED,
    HTTPStatus.FORBIDDEN: ExitCode.NOT_ALLOWED,
    HTTPStatus.BAD_REQUEST: ExitCode.WRONG_USE,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ExitCode.WRONG_USE,
    HTTPStatus.UNPROCESSABLE_ENTITY: ExitCode.WRONG_USE,
    HTTPStatus.TOO_MANY_REQUESTS: ExitCode.NOT_REACHABLE,
    HTTPStatus.BAD_GATEWAY: ExitCode.NOT_REACHABLE,
    HTTPStatus.SERVICE_UNAVAILABLE: ExitCode.NOT_REACHABLE,
    HTTPStatus.GATEWAY_TIMEOUT: ExitCode.NOT_REACHABLE,
}


@contextmanager
def api_client() -> Iterator[UptillClient]:
    """Yield an API client with the address and key of the settings.

    Ends the command with the API's message if the API refuses a call.
    """
    settings = settings_for_command("api_url", "api_key")
    with UptillClient(
        settings.api_url, settings.api_key.get_secret_value(), ingest_url=settings.ingest_url
    ) as client:
        try:
            yield client
        except ApiError as error:
            fail(str(error), code=_exit_code(error))


def _exit_code(error: ApiError) -> ExitCode:
    if isinstance(error, NotReachable):
        return ExitCode.NOT_REACHABLE
    return _CODES.get(HTTPStatus(error.status), ExitCode.FAILED) if error.status else ExitCode.FAILED
