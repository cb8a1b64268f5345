"""Explain an error to the operator: its text, the setting it concerns, and the words of the server."""

import errno

from shared.errors import InfrastructureError, UptillError
from shared.setting_checks import without_passwords

_SHOWN = 300
_QUESTION = "Is the server running on that host and accepting TCP/IP connections?"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def explain(error: BaseException) -> str:
    """Return the error's text with the setting and the cause. For logs and commands, not for callers over HTTP."""
    text = str(error) or type(error).__name__
    if isinstance(error, InfrastructureError):
        setting = f" ({error.setting})" if error.setting and error.setting not in text else ""
        cause = quote_cause(error)
        return f"{text}{setting}" + (f": {cause}" if cause else "")
    return text


def quote_cause(error: BaseException) -> str:
    """Return what the driver or the server said, in one line and without passwords; empty if nothing is known."""
    cause = error.__cause__
    while isinstance(cause, UptillError) and cause.__cause__ is not None:
        cause = cause.__cause__
    if cause is None:
        return ""
    words = " ".join(str(cause).split()) or type(cause).__name__
    # psycopg begins with this; libpq ends with a question that `explain` answers.
    words = words.removeprefix("connection failed: ").removesuffix(_QUESTION).rstrip()
    return without_passwords(words)[:_SHOWN]


def name_os_error(error: OSError) -> str:
    """Return what a file system error means, with the path; a full disk is called that."""
    what = f"the disk is full ({error.strerror})" if error.errno in _FULL else error.strerror or str(error)
    return f"{error.filename}: {what}" if error.filename is not None else what
