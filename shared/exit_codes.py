"""The exit codes of the commands, and the errors that lead to them. docs/reference/cli.md lists them."""

from enum import IntEnum

from shared.errors import (
    AuthenticationError,
    ConfigurationError,
    DatabaseUnavailable,
    ForbiddenError,
    InvalidRequest,
    QueueUnavailable,
    StorageUnavailable,
    UptillError,
)

INTERRUPTED = 130


class ExitCode(IntEnum):
    """Why a command ended. 0 means success, 130 that Ctrl-C stopped it."""

    FAILED = 1
    WRONG_USE = 2
    NOT_REACHABLE = 3
    NOT_ALLOWED = 4


EXIT_CODE_MEANINGS = {
    ExitCode.FAILED: "The work failed, or what you named does not exist.",
    ExitCode.WRONG_USE: "Wrong use: an argument, an option or a setting is missing or invalid, or an extra is not installed.",
    ExitCode.NOT_REACHABLE: "A server did not answer, or asks to come back later. The same command may succeed then.",
    ExitCode.NOT_ALLOWED: "Not allowed: the API key is invalid or lacks a scope.",
}
_CODES = {
    ExitCode.WRONG_USE: (ConfigurationError, InvalidRequest),
    ExitCode.NOT_REACHABLE: (DatabaseUnavailable, QueueUnavailable, StorageUnavailable),
    ExitCode.NOT_ALLOWED: (AuthenticationError, ForbiddenError),
}


def exit_code_of(error: UptillError) -> ExitCode:
    """Return the exit code of a command that ends with this error."""
    for code, kinds in _CODES.items():
        if isinstance(error, kinds):
            return code
    return ExitCode.FAILED
