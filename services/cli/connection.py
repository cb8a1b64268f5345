"""Connect a command to the API, and map each refusal to an exit code."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from services.cli.console import fail
from services.cli.environment import settings_for_command
from services.cli.refusals import in_options
from shared.exit_codes import ExitCode
from shared.setting_checks import check_address
from uptill_client import ApiError, NotReachable, UptillClient

_CODES: Mapping[int, ExitCode] = {
    HTTPStatus.UNAUTHORIZED: ExitCode.NOT_ALLOWED,
    HTTPStatus.FORBIDDEN: ExitCode.NOT_ALLOWED,
    HTTPStatus.BAD_REQUEST: ExitCode.WRONG_USE,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ExitCode.WRONG_USE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ExitCode.WRONG_USE,
    HTTPStatus.UNPROCESSABLE_ENTITY: ExitCode.WRONG_USE,
    HTTPStatus.TOO_MANY_REQUESTS: ExitCode.NOT_REACHABLE,
    HTTPStatus.BAD_GATEWAY: ExitCode.NOT_REACHABLE,
    HTTPStatus.SERVICE_UNAVAILABLE: ExitCode.NOT_REACHABLE,
    HTTPStatus.GATEWAY_TIMEOUT: ExitCode.NOT_REACHABLE,
}


@contextmanager
def api_client(*, ingest_url: str | None = None) -> Iterator[UptillClient]:
    """Yield an API client with the address and key of the settings. `ingest_url` replaces that of the settings.

    Ends the command with the API's message if the API refuses a call.
    """
    settings = settings_for_command("api_url", "api_key")
    if ingest_url is not None:
        try:
            check_address("ingest_url", ingest_url)
        except ValueError as error:
            fail(f"--url {ingest_url} {error}", code=ExitCode.WRONG_USE)
    with UptillClient(
        settings.api_url, settings.api_key.get_secret_value(), ingest_url=ingest_url or settings.ingest_url
    ) as client:
        try:
            yield client
        except ApiError as error:
            fail(in_options(str(error)), code=_exit_code(error))
        except UnicodeEncodeError:  # an argument that is not UTF-8 cannot be sent
            fail("an argument has bytes that are not UTF-8: write it in UTF-8", code=ExitCode.WRONG_USE)


def _exit_code(error: ApiError) -> ExitCode:
    if isinstance(error, NotReachable):
        return ExitCode.NOT_REACHABLE
    return _CODES.get(error.status or 0, ExitCode.FAILED)
