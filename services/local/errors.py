"""The one error of the local stack."""

from shared.errors import UptillError


class LocalStackError(UptillError):
    """The local stack cannot start or go on; the text says why and what to do."""
