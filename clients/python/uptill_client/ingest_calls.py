"""What the groups of calls to the ingest service have in common."""

from abc import ABC, abstractmethod

from uptill_client.transport import Transport


class IngestCalls(ABC):
    """Calls of the ingest service. Each raises `ApiError` on failure."""

    @property
    @abstractmethod
    def _ingest(self) -> Transport:
        """The connection to the ingest service. Raises `ApiError` if the client has no address for it."""


def dry_run_params(*, dry_run: bool) -> dict[str, str]:
    """Return the parameters of a call that may only tell what it would change."""
    return {"dry_run": "true"} if dry_run else {}
