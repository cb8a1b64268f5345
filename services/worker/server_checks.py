"""Refuse to work with a Redis that may lose messages or a bucket that strangers can read."""

from collections.abc import Callable, Mapping

import structlog

from shared.errors import InfrastructureError
from shared.explain import explain

_log = structlog.get_logger()
_AGAIN_S = 2.0

Checks = Mapping[str, Callable[[], None]]


def run_checks(checks: Checks) -> Checks:
    """Run each check and return those whose server did not answer. Raises `ConfigurationError` for an unsafe server."""
    return {name: check for name, check in checks.items() if not _has_answered(name, check)}


def repeat_checks(checks: Checks, wait: Callable[[float], bool]) -> None:
    """Run the checks until each server has answered, or until `wait(seconds)` returns True. Raises as `run_checks`."""
    while (checks := run_checks(checks)) and not wait(_AGAIN_S):
        pass


def _has_answered(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except InfrastructureError as error:
        _log.warning("not_checked", what=name, error=explain(error))
        return False
    return True
