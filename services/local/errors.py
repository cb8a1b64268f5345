"""The error of the embedded stack."""

from shared.errors import UptillError


class LocalStackError(UptillError):
    """The stack cannot start or continue. The message explains why and what to do."""
